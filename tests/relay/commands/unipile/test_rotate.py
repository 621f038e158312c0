"""``relay unipile rotate``: the first delivers until the second does, and no secret goes early."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from relay.commands.edit import Draft
from relay.commands.secrets.keep import Kept
from relay.commands.unipile.rotate import go
from relay.commands.unipile.secret_here import Keeping
from relay.endpoint import Secret
from relay.unipile import UnipileEndpoint
from relay.unipile.api import UnipileApi
from tests.relay.commands.unipile.desk import KEYS, URL, Desk, begun

pytestmark = pytest.mark.redis

ITEM = "*/endpoints/we_*"


async def test_the_second_is_like_the_first(desk: Desk) -> None:
    """Both sign, and both secrets count, the new one first; again it says where it stands."""
    first, second = await begun(desk)
    again = await desk.rotate("--json")

    assert (second.url, second.account_ids, second.description) == (URL, ("acc_1",), "Relay")
    assert set(second.trigger_events) == set(first.trigger_events)
    assert first.enabled
    assert second.enabled
    assert desk.secrets() == [second.secret, first.secret]
    assert json.loads(again.stdout)["did"] == "standing"
    assert desk.there == [first, second]


async def test_the_second_signs_nothing_before_gateways_have_its_secret(desk: Desk) -> None:
    """Where one refuses the new configuration, it stays switched off, and is gone on with."""
    await desk.connect()
    desk.outcome = "refused"
    done = await desk.rotate()
    (first, second) = desk.there
    assert (done.exit_code, first.enabled, second.enabled) == (1, True, False)

    desk.outcome = ""
    done = await desk.rotate("--reload-seconds", "1")
    assert (done.exit_code, desk.there[1].enabled) == (1, False)
    assert "goes on from here" in done.stderr

    desk.outcome = "taken_over"
    done = await desk.rotate()
    assert done.exit_code == 0
    assert "is switched off, by a command that was ended or by hand" in done.stdout
    assert [each.enabled for each in desk.there] == [True, True]


async def test_the_second_stays_off_while_a_gateway_lacks_its_secret(desk: Desk) -> None:
    """One with a relay.toml of its own has taken that over; it is no matter that another has it."""
    await desk.connect()
    old = desk.secrets()
    for held in (lambda _: [old], lambda named: [named, old]):
        desk.held = held
        done = await desk.rotate()
        assert (done.exit_code, desk.there[1].enabled) == (1, False)
        assert "reads another relay.toml" in done.stderr

    saying = iter([old])
    # It may be a process that was being replaced, as long as it is not said twice in a row.
    desk.held = lambda named: [named, next(saying, named)]
    assert (await desk.rotate()).exit_code == 0
    assert desk.there[1].enabled


async def test_where_no_gateway_answers_its_book_is_asked(desk: Desk) -> None:
    """A program that embeds the relay says only there which secrets it holds."""
    desk.outcome = ""
    await desk.connect()
    await desk.rotate("--reload-seconds", "1")
    held = ",".join(sorted(Secret(each, "").fingerprint for each in desk.secrets()))
    at = round(datetime.now(UTC).timestamp() * 1000)
    with desk.server.client() as client:
        client.hset(KEYS.usage("unipile"), f"holds:{held}", f"1 {at} {at}")
        client.expire(KEYS.usage("unipile"), 600)

    assert (await desk.rotate("--reload-seconds", "1")).exit_code == 0
    assert desk.there[1].enabled


async def test_the_first_stays_until_the_second_has_proved_a_delivery(desk: Desk) -> None:
    """Then it is deleted, and its secret counts for as long as it may be tried again."""
    first, second = await begun(desk)
    early = await desk.rotate("--finish")
    assert (early.exit_code, desk.there) == (1, [first, second])
    assert "has not proved a delivery yet" in early.stderr

    desk.have_proved(second)
    done = await desk.rotate("--finish", "--retry-seconds", "7200")
    assert (done.exit_code, desk.there) == (0, [second])
    new, old = desk.references()
    assert "not_after" not in new
    assert timedelta(0) < old["not_after"] - datetime.now(UTC) <= timedelta(seconds=7200)

    again = await desk.rotate("--finish", "--json")
    assert json.loads(again.stdout)["did"] == "nothing"


async def test_yes_finishes_all_the_same(desk: Desk) -> None:
    """And without anything that is tried again, the old secret is out at once."""
    _, second = await begun(desk)
    done = await desk.rotate("--finish", "--yes", "--retry-seconds", "0")

    assert done.exit_code == 0
    assert desk.there == [second]
    assert desk.secrets() == [second.secret]


async def test_back_leaves_the_first_as_it_was(desk: Desk) -> None:
    """Also after a finish that could not delete: the old one has no end then."""
    first, second = await begun(desk)
    desk.have_proved(second)
    desk.unipile.fail_next("DELETE", "*", 403, times=10)
    assert (await desk.rotate("--finish")).exit_code == 1
    assert desk.there == [first, second]
    assert "not_after" in desk.references()[1]
    desk.unipile.clear_faults()

    done = await desk.rotate("--back")
    assert done.exit_code == 0, done.output
    assert desk.there == [first]
    assert ["not_after" in each for each in desk.references()] == [True, False]


async def test_all_of_it_in_one_go(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the second to prove a delivery, and finishes; without one it does not."""
    monkeypatch.setattr(go, "GRACE_SECONDS", 0.1)
    await desk.connect()
    done = await desk.rotate("--overlap", "0s")
    assert (done.exit_code, len(desk.there)) == (1, 2)
    assert "has not proved a delivery yet" in done.stderr

    monkeypatch.setattr(go, "GRACE_SECONDS", 30.0)
    monkeypatch.setattr(go, "LOOK_SECONDS", 0.05)
    first, second = desk.there
    running = asyncio.create_task(desk.rotate("--overlap", "0s"))
    desk.have_proved(second)
    done = await running
    assert (done.exit_code, desk.there) == (0, [second])
    assert first.secret in desk.secrets()


async def test_nothing_here_is_nothing_to_rotate(desk: Desk) -> None:
    """It says what to do instead."""
    desk.unipile.add_endpoint(URL, ["message.new"])
    done = await desk.rotate()

    assert done.exit_code == 1
    assert "relay unipile connect" in done.stderr
    assert len(desk.there) == 1


async def test_one_of_a_single_type_signs_nothing_early_either(desk: Desk) -> None:
    """It is made for another type, or it would be whole, and on, from the start."""
    await desk.connect("--event", "message.new")
    desk.outcome = "refused"
    assert (await desk.rotate()).exit_code == 1
    assert not desk.there[1].enabled

    desk.outcome = "taken_over"
    assert (await desk.rotate()).exit_code == 0
    assert [each.trigger_events for each in desk.there] == [("message.new",)] * 2
    assert [each.enabled for each in desk.there] == [True, True]


async def test_back_from_a_second_that_is_as_it_was_made(desk: Desk) -> None:
    """It has a type that the first has not; that is no reason to keep it."""
    await desk.connect("--event", "calendar.create")
    (first,) = desk.there
    desk.unipile.fail_next("PATCH", ITEM, 403, times=10)
    assert (await desk.rotate()).exit_code == 1
    assert desk.there[1].trigger_events == ("calendar.delete",)
    done = await desk.rotate("--finish", "--yes")
    assert (done.exit_code, len(desk.there)) == (1, 2)

    done = await desk.rotate("--back")
    assert (done.exit_code, desk.there) == (0, [first])


async def test_a_second_that_has_gone_meanwhile_is_said(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has deleted it, also while both sign: the first signs on."""
    await desk.connect()
    (first,) = desk.there
    keep = Keeping.keep

    def keep_and_delete(keeping: Keeping, text: str) -> tuple[Kept, Draft]:
        kept = keep(keeping, text)
        books = desk.unipile._books.endpoints
        (second,) = (each for each in desk.there if each != first)
        books.delete(second.id)
        return kept

    with monkeypatch.context() as patched:
        patched.setattr(Keeping, "keep", keep_and_delete)
        done = await desk.rotate()
    assert (done.exit_code, desk.there) == (1, [first])
    assert "has gone while this command ran" in done.stderr

    assert (await desk.rotate()).exit_code == 0


async def test_one_that_somebody_has_switched_off_is_not_taken_over(desk: Desk) -> None:
    """Its secret may be the one that others know."""
    await desk.connect()
    (first,) = desk.there
    old = desk.unipile.add_endpoint(URL, list(first.trigger_events))
    desk.unipile._books.endpoints.update(old.id, b'{"account_ids": [], "enabled": false}')
    done = await desk.rotate()

    assert done.exit_code == 0
    assert [each.enabled for each in desk.there] == [True, False, True]
    assert desk.secrets() == [desk.there[2].secret, first.secret]


async def test_the_same_secret_again_replaces_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is deleted again; two that have one secret are no rotation, or both would end."""
    await desk.connect()
    (first,) = desk.there
    monkeypatch.setattr("relay.unipile.stand_in.endpoints.new_secret", lambda: first.secret)
    done = await desk.rotate()
    assert (done.exit_code, desk.there) == (1, [first])
    assert "nothing would be replaced" in done.stderr
    assert desk.secrets() == [first.secret] == desk.files()

    desk.unipile.add_endpoint(URL, list(first.trigger_events))
    done = await desk.rotate("--finish", "--yes")
    assert (done.exit_code, len(desk.there)) == (1, 2)
    assert "sign with the same secret" in done.stderr
    assert "not_after" not in desk.references()[0]


async def test_a_secret_that_is_over_stays_while_its_endpoint_does(desk: Desk) -> None:
    """Nothing else says which endpoint is ours."""
    await desk.connect()
    path = desk.directory / "relay.toml"
    other = desk.directory / "other"
    other.write_text("whs_of-nobody")
    ended = f'.secret", not_after = 2026-01-01T00:00:00Z }}, {{ file = "{other}" }}'
    path.write_text(path.read_text().replace('.secret" }', ended))
    done = await desk.rotate()

    assert done.exit_code == 0, done.output
    first, second = desk.there
    assert second.enabled
    assert desk.secrets() == [second.secret, first.secret, "whs_of-nobody"]


async def test_two_terminals_come_to_one_second(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one has named meanwhile the other takes for kept, and takes nothing back."""
    await desk.connect()
    real, others = UnipileApi.create_endpoint, []

    async def create(api: UnipileApi, wanted: Mapping[str, object]) -> UnipileEndpoint:
        made = await real(api, wanted)
        monkeypatch.setattr(UnipileApi, "create_endpoint", real)
        others.append(await desk.rotate())
        return made

    monkeypatch.setattr(UnipileApi, "create_endpoint", create)
    done = await desk.rotate()

    assert [done.exit_code, others[0].exit_code] == [0, 0], done.output
    first, second = desk.there
    assert second.enabled
    assert desk.secrets() == [second.secret, first.secret]
    assert desk.files() == sorted(desk.secrets())
