"""The gateway over a real store: a full stream is 503 for its type, and only for that."""

import pytest

from tests.integration.gateways import Running, body_of, problem_of, running
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

KIB = 1024


async def metrics(gateway: Running) -> str:
    """Give what the gateway has counted."""
    return gateway.gateway.metrics.text().decode()


async def test_a_cap_in_bytes_closes_its_type_and_opens_it_again(server: Server) -> None:
    """Known events are duplicates, other types are stored, and trimming is noticed."""
    caps = {"unipile:message.*": {"max_bytes": 20 * KIB}}
    async with running(server, {"caps": caps}) as gateway:
        sent = 0

        async def is_refused() -> bool:
            nonlocal sent
            sent += 1
            response = await gateway.send(body_of(f"{sent}_{'x' * 1000}"))
            if response.status == 200:
                return False
            assert await problem_of(response) == (503, "store_full")
            assert response.headers["retry-after"]
            return True

        async def is_taken() -> bool:
            return (await gateway.send(body_of("late"))).status == 200

        await wait_until(is_refused, description="the stream is full")
        counted = await metrics(gateway)
        known = await gateway.send(body_of(f"1_{'x' * 1000}"))
        other = await gateway.send(body_of("other", "email.new"))
        ready, _ = await gateway.ask("/readyz")
        await gateway.store.xtrim(
            gateway.gateway_key("message.new", "unipile"), maxlen=1, approximate=False
        )
        await wait_until(is_taken, description="it takes events again")

    assert "relay_closed_streams 1.0" in counted
    assert (known.status, (await known.json())["duplicate"]) == (200, True)
    assert (other.status, ready) == (200, 200)


async def test_what_is_dropped_is_counted(server: Server) -> None:
    """Every delivery is answered 200."""
    caps = {"unipile:message.*": {"max_entries": 5, "on_full": "drop_oldest"}}
    async with running(server, {"caps": caps}) as gateway:
        await gateway.send(body_of("0"))
        await gateway.store.xgroup_create(gateway.gateway_key("message.new", "unipile"), "crm", 0)
        statuses = {(await gateway.send(body_of(str(number)))).status for number in range(1, 12)}
        counted = await metrics(gateway)
        events = await gateway.events()

    assert statuses == {200}
    assert [event.id for event in events.values()] == [str(number) for number in range(7, 12)]
    assert 'relay_dropped_entries_total{endpoint="unipile"} 7.0' in counted
    assert 'relay_dropped_unsettled_entries_total{endpoint="unipile"} 7.0' in counted
