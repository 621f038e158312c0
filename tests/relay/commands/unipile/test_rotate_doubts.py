"""What keeps the first endpoint of a rotation: all that could be lost if it were deleted now."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.commands.unipile.rotate.undelivered import undelivered
from relay.endpoint import Secret
from relay.unipile import api as client
from relay.unipile.stand_in import Rules, StandIn
from tests.relay.commands.unipile.desk import KEY, KEYS, URL, Desk, begun
from tests.relay.unipile.answering import hasty_api

pytestmark = pytest.mark.redis

# Three a second, which is not many.
NEWER = 10_800


async def test_what_only_the_first_still_tries_keeps_it(desk: Desk) -> None:
    """Unipile tries no more once it is deleted; what the second has brought is no reason."""
    first, second = await begun(desk)
    desk.have_proved(second)
    lost, brought = "evt_lost", "evt_brought"
    desk.unipile.plant(
        first.id, [{"event_id": each, "http_status": 503} for each in (lost, brought)]
    )
    desk.unipile.plant(second.id, [{"event_id": brought, "http_status": 200}])
    done = await desk.rotate("--finish")

    assert (done.exit_code, desk.there) == (1, [first, second])
    assert f"1 events have not got through from {first.id}" in done.stderr
    assert lost in done.stderr
    assert brought not in done.stderr

    desk.unipile.plant(first.id, [{"event_id": lost, "http_status": 200}])
    assert (await desk.rotate("--finish")).exit_code == 0


async def test_however_much_has_come_since_what_is_tried_keeps_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only time says that Unipile has given an event up."""
    monkeypatch.setattr(client, "PAGE", NEWER)
    async with StandIn(KEY, rules=Rules(page_size=NEWER)) as unipile:
        first, second = (unipile.add_endpoint(URL, ["message.new"]).id for _ in range(2))
        now = datetime.now(UTC)
        for event, minutes in (("evt_lost", 50), ("evt_given_up", 70)):
            at = (now - timedelta(minutes=minutes)).isoformat()
            unipile.plant(first, [{"event_id": event, "created_at": at, "http_status": 503}])
        unipile.plant(first, [{"http_status": 200}] * NEWER)
        async with hasty_api(unipile.url, key=KEY) as api:
            found = await undelivered(api, first, second, 0)

    assert found == ["evt_lost"]


async def test_one_that_has_less_never_takes_its_place(desk: Desk) -> None:
    """Whatever is said: types or accounts would be lost."""
    _, second = await begun(desk)
    desk.have_proved(second)
    books = desk.unipile._books.endpoints
    for less in (
        b'{"account_ids": ["acc_2"]}',
        b'{"account_ids": [], "trigger_events": ["message.new"]}',
    ):
        books.update(second.id, less)
        done = await desk.rotate("--finish", "--yes")
        assert (done.exit_code, len(desk.there)) == (1, 2)
        assert "has not all types of event and accounts" in done.stderr

    books.update(second.id, b'{"enabled": false}')
    done = await desk.rotate("--finish", "--yes")
    assert (done.exit_code, len(desk.there)) == (1, 2)
    assert "is switched off" in done.stderr


async def test_a_gateway_without_the_new_secret_keeps_the_first(desk: Desk) -> None:
    """It reads a file of its own, and has taken that over; what it said before does not count."""
    first, second = await begun(desk)
    desk.have_proved(second)
    at = round(datetime.now(UTC).timestamp() * 1000)
    old, new = (Secret(each.secret, "").fingerprint for each in (first, second))
    both = f"holds:{','.join(sorted([old, new]))}"
    with desk.server.client() as store:
        name = KEYS.usage("unipile")
        store.hset(name, both, f"9 {at - 70_000} {at}")
        store.hset(name, f"holds:{old}", f"9 {at - 90_000} {at - 20_000}")
        done = await desk.rotate("--finish")
        assert (done.exit_code, desk.there) == (1, [first, second])
        assert f"does not have the secret of {second.id}" in done.stderr
        assert f"does not have the secret of {second.id}" in (await desk.rotate()).stdout

        store.hset(name, f"holds:{old}", f"9 {at - 90_000} {at - 69_000}")
    assert (await desk.rotate("--finish")).exit_code == 0


async def test_gateways_that_do_not_have_the_new_secret_keep_the_first(desk: Desk) -> None:
    """They say once a minute what they have; that the secret has proved something is no answer."""
    first, second = await begun(desk)
    at = round(datetime.now(UTC).timestamp() * 1000)
    with desk.server.client() as store:
        store.delete(KEYS.usage("unipile"))
        desk.have_proved(second)
        old = f"holds:{Secret(first.secret, '').fingerprint}"
        store.hset(KEYS.usage("unipile"), old, f"9 {at - 70_000} {at}")
    done = await desk.rotate("--finish")

    assert (done.exit_code, desk.there) == (1, [first, second])
    assert f"No gateway has said that it has the secret of {second.id}." in done.stderr
