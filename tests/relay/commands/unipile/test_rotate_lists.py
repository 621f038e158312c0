"""``relay unipile rotate`` and ``update`` of lists that name what Unipile may not take.

Types that were withdrawn, types that nobody here knows yet, accounts that were deleted, and secrets
whose time is over.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from typer.testing import Result

from relay.unipile.stand_in import KNOWN_TYPES, Rules
from tests.relay.commands.unipile.desk import KEY, Desk, begun

pytestmark = pytest.mark.redis

WITHDRAWN, BRAND_NEW = "account.status.paused", "story.new"


async def update(desk: Desk, endpoint_id: str, *options: str) -> Result:
    """Change an endpoint at Unipile."""
    environ = {"UNIPILE_API_KEY": KEY, "UNIPILE_API_URL": desk.unipile.url}
    words = ("unipile", "endpoints", "update", endpoint_id, *options)
    done: Result = await asyncio.to_thread(desk.relay, *words, **environ)
    return done


@pytest.mark.parametrize("others", [["message.new"], ["message.new", "calendar.create"]])
async def test_a_withdrawn_type_of_the_first_is_named_with_the_next_step(
    desk: Desk, others: list[str]
) -> None:
    """Unipile takes no list in which it is; after that step the rotation goes on."""
    await desk.connect(*(f"--event={each}" for each in others))
    (first,) = desk.there
    desk.unipile._books.endpoints._all[first.id] = replace(
        first, trigger_events=(*others, WITHDRAWN)
    )
    step = ("update", first.id, "--remove-event", WITHDRAWN)
    for done in (await desk.rotate(), await update(desk, first.id, "--add-event", "email.new")):
        assert done.exit_code == 1
        assert f"`relay unipile endpoints {' '.join(step)}`" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert desk.there[1].trigger_events != desk.there[0].trigger_events

    assert (await update(desk, *step[1:])).exit_code == 0
    assert (await desk.rotate()).exit_code == 0
    assert [set(each.trigger_events) for each in desk.there] == [set(others)] * 2
    assert [each.enabled for each in desk.there] == [True, True]


async def test_types_that_unipile_still_or_already_takes_stay(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is known of them here."""
    rules = Rules(types=KNOWN_TYPES | {WITHDRAWN, BRAND_NEW})
    monkeypatch.setattr(desk.unipile._books.endpoints, "_rules", rules)
    events = [BRAND_NEW, "message.new", WITHDRAWN]
    await desk.connect(*(f"--event={each}" for each in events))
    assert (await desk.rotate()).exit_code == 0
    first, second = desk.there
    assert set(first.trigger_events) == set(second.trigger_events) == set(events)
    assert second.enabled

    assert (await update(desk, second.id, "--add-event", "email.new")).exit_code == 0
    assert set(desk.there[1].trigger_events) == {*events, "email.new"}


async def test_deleted_accounts_of_the_first_are_named(desk: Desk) -> None:
    """Unipile takes no list in which they are, and they are not left out unasked."""
    await desk.connect("--account", "acc_1", "--account", "acc_2")
    desk.unipile.remove_account("acc_2")
    done = await desk.rotate()
    (first,) = desk.there

    assert done.exit_code == 1
    assert f"`relay unipile endpoints update {first.id} --remove-account acc_2`" in done.stderr


@pytest.mark.parametrize(("option", "did"), [("--finish", "cleared"), (None, "begun")])
async def test_what_has_ended_goes_with_the_next(desk: Desk, option: str | None, did: str) -> None:
    """A secret whose time is over leaves relay.toml when it is looked at again."""
    _, second = await begun(desk)
    desk.have_proved(second)
    await desk.rotate("--finish")
    path = desk.directory / "relay.toml"
    ends = desk.references()[1]["not_after"]
    over = (datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)
    before, after = (at.isoformat().replace("+00:00", "Z") for at in (ends, over))
    path.write_text(path.read_text().replace(before, after))
    done = await desk.rotate(*([option] if option else []), "--json")

    assert json.loads(done.stdout)["did"] == did
    assert desk.secrets() == [each.secret for each in reversed(desk.there)]
