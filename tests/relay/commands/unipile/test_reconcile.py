"""``relay unipile reconcile`` finds what is nowhere, and only that."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from typer.testing import Result

from relay.reconcile.book import KEEP_MS, read_result
from relay.reconcile.fold import Fold
from relay.unipile.stand_in import StandIn
from tests.integration.test_hostile_output import HOSTILE, acting
from tests.making import make_identified
from tests.relay.appending import KEYS
from tests.relay.commands.conftest import Relay
from tests.relay.commands.unipile.planting import (
    HOUR,
    KEY,
    NOWHERE,
    TYPES,
    Field,
    delivered,
    failures,
    planted,
)
from tests.servers import Server

NO_STORE = "redis://127.0.0.1:1/0"


async def reconcile(relay: Relay, unipile: StandIn, *options: str) -> Result:
    """Run the command beside the loop, which goes on delivering."""
    found: Result = await asyncio.to_thread(
        relay,
        "unipile",
        "reconcile",
        *options,
        UNIPILE_API_KEY=KEY,
        UNIPILE_API_URL=unipile.url,
    )
    return found


async def document(relay: Relay, field: Field, *options: str) -> dict[str, Any]:
    """Give what the command says to programs."""
    done = await reconcile(relay, field.unipile, "--json", *options)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (0 if found["ok"] else 1)
    return found


async def keep_emitting(unipile: StandIn) -> None:
    """Have something happen all the time."""
    while True:
        await unipile.emit("message.new", "acc_1")
        await asyncio.sleep(0.002)


async def plant_everywhere(field: Field) -> dict[str, set[str]]:
    """Plant undelivered events whose fate is known; give it."""
    # What the index does not know is the oldest of its stream.
    await field.put("message.new", "evt_streamed")
    await field.put("message.new", "evt_unproved", assurance="none")
    stored = [make_identified(f"evt_stored{n}", window_seconds=259_200) for n in range(3)]
    await field.append(*stored, make_identified("evt_trimmed", "message.delete"))
    trimmed = KEYS.stream("unipile", "message.delete")
    await field.store.xtrim(trimmed, maxlen=0, approximate=False)
    await field.put("unidentified", "evt_unidentified")
    await field.put("message.own", "evt_diverted")
    await field.put("other.type", "evt_other")
    await field.store.hset(KEYS.streams("unipile"), "other.type", "9 1-1")
    field.spool("evt_spooled1", "evt_spooled2")
    await field.refuse("evt_refused")
    await field.refuse("evt_accepted", accepted=True)
    names = [*(f"evt_stored{n}" for n in range(3)), "evt_unproved", "evt_streamed"]
    names += ["evt_unidentified", "evt_diverted", "evt_other", "evt_spooled1", "evt_spooled2"]
    names += ["evt_refused", "evt_accepted", *(f"evt_lost{n}" for n in range(5))]
    for name in names:
        field.plant(*failures(name))
    field.plant(*failures("evt_trimmed", "message.delete"), *failures("evt_no_chat", "chat.update"))
    field.plant(*failures("evt_mail", "email.new", (None,)), *failures("evt_late", ago_ms=9_000))
    # At one endpoint and at the other.
    for name, status in (("evt_half", 200), ("evt_both", 500)):
        field.plant(*failures(name))
        field.plant(*failures(name, statuses=(status,)), second=True)
    return {
        "lost": {*(f"evt_lost{n}" for n in range(5)), "evt_mail", "evt_both"},
        "refused": {"evt_refused"},
    }


@pytest.mark.redis
async def test_exactly_the_planted_losses_are_found_while_deliveries_go_on(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """In a log of 10,000 attempts, over more than a hundred pages that move while they are read."""
    async with planted(one_server, tmp_path) as field:
        fates = await plant_everywhere(field)
        field.plant(*delivered(3800))
        planted_ones = len(field.unipile.conversations(field.first))
        emitting = asyncio.create_task(keep_emitting(field.unipile))

        found = await document(relay, field)

        emitting.cancel()
        with suppress(asyncio.CancelledError):
            await emitting
        came = len(field.unipile.conversations(field.first)) - planted_ones
        await field.unipile.settled()
        kept = await read_result(field.store, KEYS, "unipile")
        left_ms = await field.store.pttl(KEYS.reconciled("unipile"))

    assert planted_ones > 10_000
    assert came > 10
    assert {one["event"] for one in found["lost"]} == fates["lost"]
    assert {one["event"] for one in found["refused"]} == fates["refused"]
    assert (found["filtered"], found["pending"], found["unproved"]) == (1, 1, 1)
    assert (found["ok"], found["unipile_ids"]) == (False, [field.first, field.second])
    assert found["attempts"] >= planted_ones
    assert kept is not None
    assert (kept.lost, kept.refused, kept.pending) == (7, 1, 1)
    assert KEEP_MS - 60_000 < left_ms <= KEEP_MS


@pytest.mark.redis
async def test_what_is_said_of_a_lost_event(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """When, of which type and account, how each attempt ended, and what is not sure of it."""
    async with planted(one_server, tmp_path) as field:
        field.unipile.add_account("acc_only")
        only = field.unipile.add_endpoint(NOWHERE, TYPES, ["acc_only"])
        (tmp_path / "second").write_text(only.secret)
        field.unipile.plant(only.id, failures("evt_mail", "email.new", (401, None, 503)))
        field.plant(*failures("evt_lost", statuses=(503,), ago_ms=2 * HOUR))
        name = await field.refuse("evt_refused", account="acc_7")
        field.plant(*failures("evt_refused", statuses=(401,) * 12), *failures("evt_x", ago_ms=9000))

        found = await document(relay, field)
        people = await reconcile(relay, field.unipile)
        pending = await reconcile(relay, field.unipile, "--pending")

    lost, mail = found["lost"]
    (refused,) = found["refused"]
    assert (lost["event"], lost["account"], lost["note"]) == ("evt_lost", None, None)
    assert (mail["account"], mail["note"]) == ("acc_only", "may be filtered")
    assert [one["status"] for one in mail["attempts"]] == [401, None, 503]
    assert (refused["account"], refused["row"]) == ("acc_7", name)
    assert refused["reason"] == "signature_mismatch"
    assert "401 – 503" in people.stdout
    assert f"{name} (signature_mismatch)" in people.stdout
    assert "… 401 401" in people.stdout
    assert "lost: 2, refused: 1, may still come (pending): 1." in people.stdout
    assert "relay rejections explain" in people.stdout
    assert ("evt_x" in people.stdout, "evt_x" in pending.stdout) == (False, True)


@pytest.mark.redis
async def test_many_losses_are_counted_and_few_listed(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """By type and account; ``--all`` lists each."""
    async with planted(one_server, tmp_path, more="") as field:
        for number in range(70):
            field.plant(*failures(f"evt_{number}", statuses=(500,)))

        few = await reconcile(relay, field.unipile, "unipile")
        every = await reconcile(relay, field.unipile, "--all")

    assert few.exit_code == every.exit_code == 1
    assert few.stdout.count("evt_") == 50
    assert "… and 20 more: --all lists them." in few.stdout
    assert re.search(r"lost +message\.new +- +70\n", few.stdout)
    assert every.stdout.count("evt_") == 70


@pytest.mark.redis
async def test_nothing_lost_is_fine_and_says_what_was_compared(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """Real deliveries, all of which succeed."""
    async with planted(one_server, tmp_path, more="") as field:
        for _ in range(3):
            await field.unipile.emit("message.new", "acc_1")
        await field.unipile.settled()

        done = await reconcile(relay, field.unipile)
        # What is older than was asked for is no part of it.
        field.plant(*failures("evt_old", ago_ms=2 * HOUR))
        whole = await document(relay, field, "--since", "1h")

    assert (done.exit_code, done.stderr) == (0, "")
    assert "3 attempts of 3 events" in done.stdout
    assert "lost: 0, refused: 0." in done.stdout
    assert (whole["ok"], whole["lost"], whole["attempts"]) == (True, [], 3)


@pytest.mark.redis
async def test_an_id_that_counts_with_its_body_is_found_in_streams_only(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """However long after its attempts it came, as out of a spool."""
    async with planted(one_server, tmp_path, more='changed_body = "store"') as field:
        field.plant(*failures("evt_late", ago_ms=9 * HOUR), *failures("evt_lost"))
        event = make_identified("evt_late")
        await field.append(structs.replace(event, identity=b"evt_late\xff0123456789abcdef"))

        found = await document(relay, field)

    assert [one["event"] for one in found["lost"]] == ["evt_lost"]


@pytest.mark.redis
async def test_partitions_are_looked_through_all(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """Also those of a number of partitions that the endpoint had before."""
    async with planted(one_server, tmp_path, more="partitions = 4") as field:
        events = [make_identified(f"evt_{n}", tag=f"unipile#{n}") for n in (0, 3, 7)]
        await field.append(*events, make_identified("evt_before"))
        await field.store.sadd(KEYS.tags, "unipile#7", "unipile")
        for name in ("evt_0", "evt_3", "evt_7", "evt_before", "evt_lost"):
            field.plant(*failures(name))

        found = await document(relay, field)

    assert [one["event"] for one in found["lost"]] == ["evt_lost"]


@pytest.mark.redis
async def test_what_cannot_be_looked_at_is_said_and_counts_as_not_here(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """Whatever something else has written in the place of our keys."""
    async with planted(one_server, tmp_path, more="") as field:
        await field.append(make_identified("evt_1"))
        wrong = [KEYS.stream("unipile", "message.new"), KEYS.streams("unipile")]
        wrong += [KEYS.rejected("unipile"), KEYS.reconciled("unipile")]
        for key in wrong:
            await field.store.delete(key)
            await field.store.set(key, "something else", ex=60)
        (tmp_path / "spool" / "junk.db").write_text("no database")
        field.plant(*failures("evt_1"))

        done = await reconcile(relay, field.unipile)
        await field.store.delete(*wrong)

    assert done.exit_code == 1
    assert "lost: 1, refused: 0." in done.stdout
    assert "The dedupe index of unipile cannot be read: WRONGTYPE" in done.stderr
    for word in ("message.new", "@streams", "@rejected"):
        assert f"{word} is a string" in done.stderr
    for word in ("junk.db", "could not be kept"):
        assert word in done.stderr


@pytest.mark.redis
async def test_endpoints_are_named_where_secrets_cannot_be_read(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """Each by its id; without that nothing is compared, for one could be left out."""
    async with planted(one_server, tmp_path, more="") as field:
        (tmp_path / "second").unlink()
        field.plant(*failures("evt_1"))
        without = await reconcile(relay, field.unipile)
        one = await document(relay, field, "--id", field.first)
        both = await document(relay, field, "--id", field.first, "--id", field.second)

    assert (without.exit_code, without.stdout) == (2, "")
    assert "or say --id we_" in without.stderr
    assert one["unipile_ids"] == [field.first]
    assert both["unipile_ids"] == [field.first, field.second]
    assert len(one["lost"]) == len(both["lost"]) == 1


@pytest.mark.redis
async def test_nothing_that_comes_from_outside_does_anything(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """Ids, types and accounts of the log, and of whoever was refused, are written out."""
    async with planted(one_server, tmp_path, more="") as field:
        field.plant(*failures(HOSTILE, HOSTILE), *failures("evt_1", statuses=(401,)))
        account = json.dumps(HOSTILE)[1:-1]
        await field.refuse("evt_1", account=account)

        people = await reconcile(relay, field.unipile)
        programs = await reconcile(relay, field.unipile, "--json")
        wrong = await reconcile(relay, field.unipile, HOSTILE)

    assert acting(people.output + programs.output + wrong.output) == []
    assert "\nfake: row" not in people.output + wrong.output
    assert people.stdout.count("\\x1b[31mred") == 3
    found = json.loads(programs.stdout)
    assert found["lost"][0]["event"] == found["refused"][0]["account"] == HOSTILE


# The client's own tests have all of them.
ON_PAGE: dict[str, int | str] = {
    "401": 401,
    "500": 500,
    "time-out": "time-out",
    "half-page": "half-page",
}


@contextmanager
def after_the_first(monkeypatch: pytest.MonkeyPatch, what: Callable[[], None]) -> Iterator[None]:
    """Have something happen when the first page of a log was read."""
    add = Fold.add
    done: list[bool] = []

    def then(self: Fold, *arguments: Any) -> int:
        if not done:
            done.append(True)
            what()
        return add(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Fold, "add", then)
        yield


@pytest.mark.parametrize("fault", ON_PAGE)
async def test_a_log_that_was_read_half_gives_no_verdict(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """One line says why, nothing is on standard output, and the store is not even asked."""
    async with StandIn(KEY) as unipile:
        endpoint = unipile.add_endpoint(NOWHERE, TYPES)
        (tmp_path / "first").write_text(endpoint.secret)
        (tmp_path / "relay.toml").write_text(
            f'[redis]\nurl = "{NO_STORE}"\n[endpoints.unipile]\nprovider = "unipile"\n'
            'secrets = [{ file = "first" }]\n'
        )
        for number in range(120):
            unipile.plant(endpoint.id, failures(f"evt_{number}"))
        path = "/v2/webhooks/conversations*"
        with after_the_first(
            monkeypatch, lambda: unipile.fail_next("GET", path, ON_PAGE[fault], times=9)
        ):
            done = await reconcile(relay, unipile, "--api-seconds", "0.5", "--json")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("relay: Unipile could not list")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no endpoint of Unipile's API version 2"),
        (["code"], "no endpoint of Unipile's API version 2; those are: another, other, unipile"),
        (["--id", "we_1"], "say which of another, other, unipile"),
        (["unipile", "--since", "4d"], "longer than ids are remembered"),
        (["unipile", "--since", "lately"], "write it as 90s"),
        (["unipile", "--since", "5m"], "nothing could be lost"),
        (["unipile", "--spool-dir", "nowhere"], "is no directory"),
        (["other"], "from elsewhere"),
        (["another"], "from elsewhere"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_asked(
    relay: Relay, tmp_path: Path, words: list[str], said: str
) -> None:
    """With exit code 2."""
    (tmp_path / "secret").write_text("wes_first")
    secrets = 'secrets = [{ file = "secret" }]\n'
    (tmp_path / "relay.toml").write_text(
        f'[endpoints.unipile]\nprovider = "unipile"\n{secrets}'
        f'[endpoints.other]\nprovider = "unipile"\n{secrets}'
        '[endpoints.other.event]\nid = "{body.payload.id}"\n'
        f'[endpoints.another]\nprovider = "unipile"\n{secrets}'
        "[endpoints.another.event.ids]\n"
        '"message.new" = "{body.account_id}:{body.payload.id}"\n'
        f'[endpoints.code]\nprovider = "github"\n{secrets}'
    )
    done = relay(
        "unipile", "reconcile", *words, UNIPILE_API_KEY=KEY, UNIPILE_API_URL="http://127.0.0.1:1"
    )

    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
