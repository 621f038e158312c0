"""A dry run refuses nothing for its signature, and says of each entry that it proves nothing."""

import pytest

from tests.integration.gateways import BODY, PATH, body_of, problem_of, running
from tests.integration.test_gateway_rejections import rows
from tests.servers import Server
from tests.signing import signed

pytestmark = pytest.mark.redis

DRY = {"dry_run": True}


async def test_what_would_be_refused_is_stored_and_marked(server: Server) -> None:
    """Without a signature, and with a wrong one; counted with the reason, and kept in the log."""
    missing, wrong = body_of("evt_missing"), body_of("evt_wrong")
    async with running(server, endpoint=DRY) as gateway:
        # Its type is known by what is genuine.
        await gateway.send(BODY)
        answers = [
            await gateway.client.post(PATH, data=missing),
            await gateway.client.post(PATH, data=wrong, headers=signed(wrong, secret="another")),
        ]
        events = await gateway.events()
        found = await rows(gateway, 2)
        metrics = gateway.gateway.metrics.text().decode()

    assert [answer.status for answer in answers] == [200, 200]
    assert {event.id: event.assurance for event in events.values()} == {
        "evt_1": "body",
        "evt_missing": "none",
        "evt_wrong": "none",
    }
    assert sorted(row.reason for row in found) == ["signature_mismatch", "signature_missing"]
    assert all(row.is_dry_run for row in found)
    assert 'dry_run_refusals_total{endpoint="unipile",reason="signature_missing"} 1.0' in metrics
    assert 'deliveries_total{endpoint="unipile",outcome="stored"} 3.0' in metrics


async def test_it_begins_no_type_and_keeps_out_nothing_genuine(server: Server) -> None:
    """A stranger's guess of an id and of a type does no harm to what comes after it."""
    guessed = body_of("evt_1", "message.new")
    async with running(server, endpoint=DRY) as gateway:
        stranger = await gateway.client.post(PATH, data=guessed)
        first = await gateway.send(BODY)
        again = await gateway.send(BODY)
        strange = await gateway.events("unidentified")
        genuine = await gateway.events()

    assert stranger.status == first.status == 200
    assert "duplicate" not in await first.json()
    assert (await again.json())["duplicate"] is True
    assert [event.original_type for event in strange.values()] == ["message.new"]
    assert [event.assurance for event in genuine.values()] == ["body"]


async def test_an_unproved_id_keeps_out_no_other_body(server: Server) -> None:
    """Two that claim one id are two entries, and one that is sent again is one."""
    one, other = body_of("evt_9"), body_of("evt_9") + b" "
    async with running(server, endpoint=DRY) as gateway:
        for body in (one, other, one):
            await gateway.client.post(PATH, data=body)
        strange = await gateway.events("unidentified")

    assert sorted(event.data for event in strange.values()) == [one, other]


async def test_limits_hold_all_the_same(server: Server) -> None:
    """A body that is too long, a wrong method, and what a filter keeps out."""
    endpoint = DRY | {"event_types": ["unipile:invoice.*"]}
    async with running(server, {"max_body_bytes": 2000}, endpoint=endpoint) as gateway:
        long = await gateway.client.post(PATH, data=b"x" * 2001)
        got = await gateway.client.get(PATH)
        filtered = await gateway.client.post(PATH, data=BODY)

        assert await problem_of(long) == (413, "body_too_large")
        assert await problem_of(got) == (405, "method_not_allowed")
        assert (await filtered.json())["filtered"] is True


async def test_what_is_not_taken_after_all_is_not_said_to_be(server: Server) -> None:
    """It is to come again; a row that calls it stored would keep an operator from accepting it."""
    async with running(server, endpoint=DRY | {"rate_limit_per_second": 0.01}) as gateway:
        taken = await gateway.client.post(PATH, data=body_of("evt_1"))
        again = await gateway.client.post(PATH, data=body_of("evt_2"))
        found = await rows(gateway)
        metrics = gateway.gateway.metrics.text().decode()

    assert (taken.status, again.status) == (200, 429)
    assert [row.body for row in found] == [body_of("evt_1")]
    assert 'dry_run_refusals_total{endpoint="unipile",reason="signature_missing"} 1.0' in metrics


async def test_a_stranger_uses_up_no_rate_of_what_is_genuine(server: Server) -> None:
    """What proves nothing has a rate of its own, as large."""
    async with running(server, endpoint=DRY | {"rate_limit_per_second": 0.01}) as gateway:
        strange = [
            await gateway.client.post(PATH, data=body_of(f"evt_{number}")) for number in range(3)
        ]
        genuine = [await gateway.send(BODY), await gateway.send(BODY)]

    assert [answer.status for answer in strange] == [200, 429, 429]
    assert [answer.status for answer in genuine] == [200, 429]
