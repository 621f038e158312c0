"""What is refused is in the refusal log, with all that explains it, and costs nobody else."""

import asyncio
from typing import Any

import pytest

from relay.rejections import KEPT_BODY_BYTES, Rejection
from relay.rejections.rejection import read_rejection
from tests.integration.gateways import BODY, PATH, Running, problem_of, running
from tests.making import now
from tests.servers import Server
from tests.signing import signature_header, signed
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

MANY: dict[str, Any] = {"tolerance_seconds": 60}


async def rows(gateway: Running, count: int = 1) -> list[Rejection]:
    """Wait for so many rows, and give them."""

    async def found() -> list[Rejection]:
        raw: Any = await gateway.store.xrange("relay:{unipile}@rejected")
        read = [read_rejection("unipile", entry_id.decode(), fields) for entry_id, fields in raw]
        return [each for each in read if each is not None]

    async def are_there() -> bool:
        return len(await found()) >= count

    await wait_until(are_there, description=f"{count} rows are written")
    return await found()


async def test_a_refused_delivery_is_kept_whole(server: Server) -> None:
    """With the id that its sender was answered, and the body byte for byte."""
    async with running(server) as gateway:
        headers = signed(BODY, secret="another")
        answer = await gateway.client.post(f"{PATH}?a=b", data=BODY, headers=headers)
        (row,) = await rows(gateway)

        assert await problem_of(answer) == (401, "signature_mismatch")
    assert row.request_id == answer.headers["relay-request-id"]
    assert (row.reason, row.method, row.query) == ("signature_mismatch", "POST", "a=b")
    assert row.body == BODY
    assert dict(row.headers)["unipile-signature"] == headers["unipile-signature"]
    assert row.client == "127.0.0.1"
    assert not row.is_dry_run


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
async def test_the_body_is_kept_where_the_head_alone_decides(
    server: Server, *, chunked: bool
) -> None:
    """It is read after that, for the rows that are kept."""

    async def slowly() -> Any:
        for part in (BODY[:20], BODY[20:]):
            yield part
            await asyncio.sleep(0.01)

    async with running(server) as gateway:
        answer = await gateway.client.post(PATH, data=slowly() if chunked else BODY)
        (row,) = await rows(gateway)

        assert await problem_of(answer) == (401, "signature_missing")
    assert row.body == BODY


async def test_a_sender_that_never_sends_its_body_is_answered(server: Server) -> None:
    """It waits no longer than the log does, and the row has no body."""
    async with running(server) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"POST /webhooks/unipile HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        status = await reader.readline()
        writer.close()
        (row,) = await rows(gateway)
        in_hand = gateway.gateway.budget.in_hand_bytes

    assert status.startswith(b"HTTP/1.1 401")
    assert (row.reason, row.body, row.body_bytes) == ("signature_missing", None, None)
    assert in_hand == 0


async def test_a_sender_that_waits_to_be_asked_is_not_asked(server: Server) -> None:
    """100 Continue is not sent for a body that nobody takes."""
    async with running(server) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(
            b"POST /webhooks/unipile HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
            b"content-length: 100\r\n\r\n"
        )
        status = await reader.readline()
        writer.close()
        (row,) = await rows(gateway)

    assert status.startswith(b"HTTP/1.1 401")
    assert row.body is None


async def test_other_refusals_of_an_endpoint_are_kept_too(server: Server) -> None:
    """A wrong method and a body that is too long; not what is to come again, nor the unknown."""
    async with running(server, {"max_body_bytes": 2000}) as gateway:
        long = b"x" * 2001
        await gateway.client.get(PATH)
        await gateway.client.post(PATH, data=long, headers=signed(long))
        await gateway.client.post("/webhooks/unknown", data=BODY)
        found = await rows(gateway, 2)
        keys: Any = await gateway.store.keys("*unknown*")

    assert sorted(each.reason for each in found) == ["body_too_large", "method_not_allowed"]
    assert keys == []


async def test_a_long_refused_body_is_not_read_for_the_log(server: Server) -> None:
    """Its announced length is enough to leave it."""
    async with running(server) as gateway:
        answer = await gateway.client.post(PATH, data=b"x" * (KEPT_BODY_BYTES + 1))
        (row,) = await rows(gateway)

    assert answer.status == 401
    assert row.body is None


async def test_usage_says_what_came_and_which_secret_proved_it(server: Server) -> None:
    """Of stored and refused deliveries alike; the book is there within seconds."""
    async with running(server) as gateway:
        await gateway.send(BODY)
        await gateway.send(BODY)
        await gateway.client.post(PATH, data=BODY)
        metrics = gateway.gateway.metrics.text().decode()

        async def counted() -> dict[str, int]:
            book: Any = await gateway.store.hgetall("relay:{unipile}@usage")
            return {name.decode(): int(value.split()[0]) for name, value in book.items()}

        async def is_written() -> bool:
            found = await counted()
            return sum(found[name] for name in found if name.startswith("outcome:")) == 3

        await wait_until(is_written, description="the book is written")
        counts = await counted()

    secrets = {name: count for name, count in counts.items() if name.startswith("secret:")}
    assert counts["outcome:stored"] == counts["outcome:duplicate"] == 1
    assert counts["outcome:signature_missing"] == 1
    assert list(secrets.values()) == [2]
    assert next(iter(secrets)).startswith("secret:env:UNIPILE_WEBHOOK_SECRET#")
    labels = '{endpoint="unipile",secret="env:UNIPILE_WEBHOOK_SECRET"}'
    assert f"relay_secret_verified_total{labels} 2.0" in metrics


async def test_late_deliveries_are_counted_apart(server: Server) -> None:
    """Those that the late tolerance lets pass, and those that are refused for their age alone."""
    endpoint = {"tolerance_seconds": 60, "late_tolerance_seconds": 3600}
    other = b'{"id":"evt_2","type":"message.new"}'
    async with running(server, endpoint=endpoint) as gateway:
        late = await gateway.send(BODY, {"unipile-signature": signature_header(BODY, now() - 600)})
        too_late = await gateway.client.post(PATH, data=other, headers=signed(other, now() - 4000))
        await gateway.send(other)
        metrics = gateway.gateway.metrics.text().decode()

        assert await problem_of(too_late) == (401, "timestamp_too_old")
    assert late.status == 200
    assert 'relay_late_deliveries_total{endpoint="unipile"} 1.0' in metrics
    assert 'outcome="timestamp_too_old"} 1.0' in metrics
