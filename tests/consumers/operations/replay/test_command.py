"""``relay replay`` as it is typed."""

import asyncio
import json
import re
from typing import Any

import pytest
import typer
from redis.asyncio import Redis
from typer.testing import CliRunner, Result

from consumers.commands import register, replayed
from consumers.operations.replay import ReplayRefused
from relay.contract.display import time_text
from relay.contract.explain import CommandFailed
from tests.consumers.making import GROUP, KEYS, TAG, TYPE, append_events, make_stream, numbered
from tests.consumers.operations.replay.making import AGAIN, copied, stored
from tests.servers import Server

pytestmark = pytest.mark.redis


async def command(server: Server, *arguments: str) -> Result:
    """Run ``relay replay``; in a thread, since it has an event loop of its own."""
    app = typer.Typer()
    register(app)
    words = ["replay", *arguments, "--redis-url", server.url]
    return await asyncio.to_thread(CliRunner().invoke, app, words)


async def printed(server: Server, *arguments: str) -> str:
    """Run it where it succeeds, and give what it said of what it did."""
    result = await command(server, *arguments)

    assert result.exit_code == 0, result.output
    return result.stdout


async def document(server: Server, *arguments: str) -> Any:
    """Run it where it succeeds, and give its JSON document."""
    return json.loads(await printed(server, *arguments, "--json"))


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    store: Redis, server: Server
) -> None:
    """How many of which stream, of when, how large, and that nobody else sees them."""
    await stored(store, numbered(3))

    said = await printed(server, GROUP, "--dry-run")

    assert re.search(rf"{TAG}\s+{TYPE}\s+3\s+yes\s+20\S+Z", said)
    assert "3 events" in said
    assert "no other group sees them" in said
    assert await store.exists(AGAIN) == 0


async def test_a_dry_run_for_programs_is_one_document(store: Redis, server: Server) -> None:
    """With everything that people are told."""
    await stored(store, numbered(3))

    found = await document(server, GROUP, "--dry-run")

    assert (found["group"], found["events"], found["exact"], found["alive"]) == (GROUP, 3, True, 0)
    assert [row["type"] for row in found["streams"]] == [TYPE]


async def test_a_replay_says_how_to_go_on_and_what_it_did(store: Redis, server: Server) -> None:
    """Before the first copy, on standard error, so that an interruption leaves the way on."""
    await stored(store, numbered(3))

    result = await command(server, GROUP, f"{TAG}:message.*", "--yes")

    assert result.exit_code == 0
    assert re.search(r"relay replay --resume crm:[0-9a-f]{8}", result.stderr)
    assert "3 events were given to crm again." in result.stdout
    assert await copied(store) == numbered(3)


async def test_a_replay_is_gone_on_with_by_its_id(store: Redis, server: Server) -> None:
    """What is done already is not done again."""
    await stored(store, numbered(3))
    first = await document(server, GROUP, "--yes")

    again = await document(server, "--resume", first["id"])

    assert again == first
    assert again["replayed"] == 3
    assert await copied(store) == numbered(3)


async def test_without_a_yes_nothing_is_done(store: Redis, server: Server) -> None:
    """There is nobody to ask where standard input is no terminal."""
    await stored(store, numbered(3))

    result = await command(server, GROUP)

    assert isinstance(result.exception, CommandFailed)
    assert "--yes" in str(result.exception)
    assert await store.exists(AGAIN) == 0


async def test_the_same_words_mean_the_same_replay(store: Redis, server: Server) -> None:
    """Also where what they mean changes by the second; it is said when they were typed first."""
    await stored(store, numbered(3))
    one = await document(server, GROUP, "--since", "2h", "--yes", "--limit", "1")
    book = KEYS.replay(TAG, GROUP, one["id"].partition(":")[2])
    heading = json.loads(await store.hget(book, "@heading") or b"")
    heading["wanted"]["limit"] = None
    await store.hset(book, "@heading", json.dumps(heading))

    refused = await command(server, GROUP, "--since", "2h", "--limit", "1", "--yes")
    whole = await document(server, GROUP, "--since", "2h", "--yes")
    anew = await document(server, GROUP, "--since", "2h", "--limit", "1", "--yes", "--anew")

    assert isinstance(refused.exception, ReplayRefused)
    assert f"--resume {one['id']}" in str(refused.exception)
    assert str(time_text(heading["began_ms"]))[:19] in str(refused.exception)
    assert (whole["id"] != one["id"], whole["replayed"]) == (True, 3)
    assert (anew["id"], anew["replayed"]) == (one["id"], 1)


async def test_options_choose_what_is_replayed(store: Redis, server: Server) -> None:
    """By time, by id, by endpoint."""
    ids = await stored(store, numbered(5))
    await stored(store, ["other"], TYPE, "github")

    await printed(
        server, GROUP, "--endpoint", TAG, "--since", ids[1], "--id", "evt_0", "--id", ids[2],
        "--id", "evt_4", "--rate", "1000", "--yes",
    )  # fmt: skip

    assert await copied(store) == ["evt_2", "evt_4"]
    assert await store.exists(KEYS.again("github", GROUP, TYPE)) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Which group"),
        ([GROUP, "--since", "yesterday"], "yesterday"),
        ([GROUP, "--resume", "crm:00000000"], "--resume"),
        (["--resume", "crm:00000000", "--anew"], "--resume"),
        (["--resume", "crm:00000000"], "crm:00000000"),
        ([GROUP, "message.new"], "message.new"),
        (["No Group"], "No Group"),
    ],
)
async def test_what_cannot_be_understood_is_said(
    store: Redis, server: Server, arguments: list[str], said: str
) -> None:
    """With what was typed in it, and no traceback."""
    result = await command(server, *arguments, "--yes")

    assert isinstance(result.exception, CommandFailed | ReplayRefused)
    assert said in str(result.exception)


async def test_a_group_that_reads_nothing_there_is_told_apart_from_an_empty_range(
    store: Redis, server: Server
) -> None:
    """A typing mistake should be seen as one."""
    await stored(store, ["evt_1"])

    said = await printed(server, "cmr", "--yes")

    assert "Nothing to replay to cmr." in said
    assert "groups there: crm" in said


async def test_what_the_operator_should_know_is_said(store: Redis, server: Server) -> None:
    """Unread, unsettled, ordered; each is a reason for a result that would surprise."""
    await append_events(store, numbered(2))
    await store.xgroup_create(make_stream().key, GROUP, id="0")
    await store.xreadgroup(GROUP, "us", {make_stream().key: ">"}, count=1)
    await store.hset(KEYS.owner(TAG, GROUP, TYPE), "fence", "1")

    said = " ".join((await document(server, GROUP, "--dry-run"))["notes"])

    assert "yet to read" in said
    assert "1 events are not settled" in said
    assert "Read in order: message.new" in said


async def test_a_fault_of_one_stream_is_an_exit_code_and_a_way_on(
    store: Redis, server: Server
) -> None:
    """The rest is done all the same."""
    await stored(store, ["evt_1"])
    await stored(store, ["evt_2"], "email.new")
    await store.set(AGAIN, "mine", px=60_000)

    result = await command(server, GROUP, "--yes")

    assert result.exit_code == 1
    assert "was left: WRONGTYPE" in result.stdout
    assert "--resume" in result.stdout
    assert await copied(store, KEYS.again(TAG, GROUP, "email.new")) == ["evt_2"]


async def test_a_plan_of_many_streams_is_cut_for_people(
    store: Redis, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those with the most come first; programs get all."""
    monkeypatch.setattr(replayed, "MOST_ROWS", 2)
    for count, event_type in enumerate(["a.one", "a.two", "a.three"], start=1):
        await stored(store, numbered(count, event_type), event_type)

    said = await printed(server, GROUP, "--dry-run")

    assert re.search(r"(?s)a\.three.*a\.two.*And 1 streams", said)
    assert "a.one" not in said
    assert len((await document(server, GROUP, "--dry-run"))["streams"]) == 3


async def test_a_tag_whose_types_cannot_be_looked_at_is_named_and_the_rest_is_replayed(
    store: Redis, server: Server
) -> None:
    """What something else has written is not ours to mend."""
    await stored(store, ["evt_1"])
    await stored(store, ["evt_2"], TYPE, "github")
    await store.delete(KEYS.streams("github"))
    await store.set(KEYS.streams("github"), "mine", px=60_000)

    left_out = await printed(server, GROUP, "--endpoint", TAG, "--dry-run")
    result = await command(server, GROUP, "--yes")

    assert "github" not in left_out
    assert result.exit_code == 1
    assert f"{KEYS.streams('github')} cannot be looked at: it is a string" in result.stdout
    assert "Rename it or delete it" in result.stdout
    assert await copied(store) == ["evt_1"]


@pytest.mark.parametrize("arguments", [[GROUP, "--dry-run"], ["--resume", "crm:00000000"]])
async def test_without_the_tags_nothing_is_known(
    store: Redis, server: Server, arguments: list[str]
) -> None:
    """Their key is named."""
    await store.set(KEYS.tags, "mine", px=60_000)

    result = await command(server, *arguments)

    assert f"{KEYS.tags} is a string, where the relay keeps a set" in str(result.exception)
