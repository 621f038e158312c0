"""The workers' commands: what they find, what they print, and what they say of what is missing."""

import json
from typing import Any

import pytest
import typer
from redis import Redis
from typer.testing import CliRunner, Result

from consumers.commands import register
from relay.contract.connect import text_of
from relay.contract.explain import CommandFailed
from tests.consumers.making import GROUP, KEYS, TAG, TYPE, fields_for, in_books, make_stream
from tests.servers import Server

STREAM = make_stream().key
HOSTILE = "evt\x1b[31m\r\n\u202e[red]"


# --- looking at dead letters and groups


def command(server: Server, *arguments: str) -> Result:
    """Run a command of `relay` against a server."""
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, [*arguments, "--redis-url", server.url])


def printed(server: Server, *arguments: str) -> str:
    """Run a command that succeeds, and give its output."""
    result = command(server, *arguments)

    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(server: Server, *arguments: str) -> Any:
    """Run a command that succeeds, and give the document that it printed."""
    return json.loads(printed(server, *arguments, "--json"))


def set_aside(
    client: Redis,
    event_id: str,
    *,
    group: str = GROUP,
    tag: str = TAG,
    **changes: Any,
) -> str:
    """Put an event into a group's dead letters, and give the letter's id."""
    books = {b"entryid": b"5-0", b"reason": b"attempts_spent", b"attempts": b"8"}
    books |= {b"lasterror": b"ValueError: last", b"firsterror": b"KeyError: first"}
    client.sadd(KEYS.tags, tag)
    client.hset(KEYS.groups(tag), group, '1 ["*:*"]')
    fields: Any = fields_for(event_id, **changes) | books
    return text_of(client.xadd(KEYS.dead(tag, group), fields))


@pytest.fixture
def letters(server: Server) -> dict[str, str]:
    """Three dead letters of two groups and two endpoints, by event id."""
    with server.client() as client:
        return {
            "evt_1": set_aside(client, "evt_1", data=b'{"a":1}', account="acc_1"),
            "evt_2": set_aside(client, "evt_2", type="email.new", data=b"\xff\x00"),
            "evt_3": set_aside(client, "evt_3", group="billing", tag="github#1"),
        }


def ids(rows: list[dict[str, Any]]) -> list[str]:
    """Give the event ids of rows, in order."""
    return [row["id"] for row in rows]


@pytest.mark.redis
def test_the_list_of_dead_letters_says_what_happened_to_each(
    server: Server, letters: dict[str, str]
) -> None:
    """The newest comes first; programs get every column."""
    rows = as_json(server, "dead", "list")
    times = [row["set_aside"] for row in rows]

    assert sorted(ids(rows)) == ["evt_1", "evt_2", "evt_3"]
    assert times == sorted(times, reverse=True)
    assert rows[ids(rows).index("evt_1")] | {"set_aside": None} == {
        "letter": letters["evt_1"],
        "tag": TAG,
        "group": GROUP,
        "type": TYPE,
        "id": "evt_1",
        "account": "acc_1",
        "reason": "attempts_spent",
        "attempts": 8,
        "set_aside": None,
        "error": "ValueError: last",
    }


@pytest.mark.redis
@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--group", "billing"], ["evt_3"]),
        (["--endpoint", "unipile"], ["evt_2", "evt_1"]),
        (["--endpoint", "github"], ["evt_3"]),
        (["--type", "email.new"], ["evt_2"]),
        (["--endpoint", "unipile", "--limit", "1"], ["evt_2"]),
        (["--group", "nobody"], []),
    ],
)
def test_the_list_is_narrowed_by_its_options(
    server: Server, letters: dict[str, str], options: list[str], found: list[str]
) -> None:
    """Each option leaves out what it does not name."""
    assert ids(as_json(server, "dead", "list", *options)) == found


@pytest.mark.redis
def test_no_dead_letters_is_said_in_words_and_in_json(server: Server) -> None:
    """People get a sentence, programs an empty list."""
    assert printed(server, "dead", "list") == "No dead letters.\n"
    assert as_json(server, "dead", "list") == []


@pytest.mark.redis
@pytest.mark.parametrize("by", ["letter", "event"])
def test_a_dead_letter_is_shown_whole(server: Server, letters: dict[str, str], by: str) -> None:
    """By its own id or by the event's, with both errors and the body."""
    named = letters["evt_1"] if by == "letter" else "evt_1"
    document = as_json(server, "dead", "show", named, "--group", GROUP)

    assert document["data"] == '{"a":1}'
    assert (document["firsterror"], document["lasterror"]) == (
        "KeyError: first",
        "ValueError: last",
    )
    assert (document["letter"], document["entryid"]) == (letters["evt_1"], "5-0")
    assert document["set_aside"].endswith("Z")


@pytest.mark.redis
def test_a_body_that_is_no_text_is_shown_in_base64(server: Server, letters: dict[str, str]) -> None:
    """Its bytes come back exactly."""
    document = as_json(server, "dead", "show", "evt_2")

    assert document["data_base64"] == "/wA="
    assert "data" not in document


@pytest.mark.redis
def test_a_dead_letter_that_is_not_there_is_said_to_be_missing(
    server: Server, letters: dict[str, str]
) -> None:
    """With the command that lists those that are."""
    result = command(server, "dead", "show", "evt_9")

    assert isinstance(result.exception, CommandFailed)
    assert "'evt_9'; see: relay dead list" in str(result.exception)


@pytest.mark.redis
def test_what_a_sender_wrote_reaches_no_terminal_as_it_is(server: Server) -> None:
    """Escape sequences, line ends, markup and turned directions are written out."""
    with server.client() as client:
        set_aside(client, HOSTILE, data=HOSTILE.encode())
        client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    texts = [printed(server, "dead", "list"), printed(server, "dead", "show", HOSTILE)]

    for text in texts:
        assert "evt\\x1b[31m\\x0d\\x0a\\u202e[red]" in text
        assert not set("\x1b\r\u202e") & set(text)
        assert "evt\n" not in text


@pytest.mark.redis
def test_json_carries_what_a_sender_wrote_as_ascii(server: Server) -> None:
    """A program has the text itself, and a terminal shows nothing but escapes."""
    with server.client() as client:
        set_aside(client, HOSTILE)
    text = printed(server, "dead", "list", "--json")

    assert text.isascii()
    assert "\x1b" not in text
    assert ids(json.loads(text)) == [HOSTILE]


@pytest.fixture
def two_groups(server: Server) -> None:
    """A group that has read two of three events and parked one, and one that has read nothing."""
    with server.client() as client:
        client.sadd(KEYS.tags, TAG)
        client.hset(KEYS.streams(TAG), TYPE, "1 1-0")
        fields: Any = fields_for()
        entry_ids = [text_of(client.xadd(STREAM, fields)) for _ in range(3)]
        client.xgroup_create(STREAM, GROUP, id="0")
        client.xgroup_create(STREAM, "billing", id="0")
        client.xreadgroup(GROUP, "lost-worker", {STREAM: ">"}, count=2)
        client.xclaim(STREAM, GROUP, "@park", 0, [entry_ids[0]])
        client.zadd(KEYS.park(TAG, GROUP), {in_books(entry_ids[0]): 1.0})
        set_aside(client, "evt_0")


@pytest.mark.redis
def test_groups_are_shown_with_what_they_have_yet_to_do(server: Server, two_groups: None) -> None:
    """One row for each group and stream."""
    rows = as_json(server, "groups")
    crm = next(row for row in rows if row["group"] == GROUP)

    assert [(row["group"], row["type"]) for row in rows] == [("billing", TYPE), (GROUP, TYPE)]
    with server.client() as client:
        # Servers before 7.0 do not count what is unread.
        counts = int(client.info("server")["redis_version"].partition(".")[0]) >= 7
    assert crm["oldest_seconds"] >= 0
    assert crm | {"oldest_seconds": None} == {
        "group": GROUP,
        "tag": TAG,
        "type": TYPE,
        "stream": STREAM,
        "unread": 1 if counts else None,
        "pending": 2,
        "in_flight": 1,
        "parked": 1,
        "laned": 0,
        "left_behind": 0,
        "later": 0,
        "dead": 1,
        "oldest_seconds": None,
        "alive": 1,
        "gone": 0,
        "paused": False,
        "pauses": [],
        "configured": True,
        "abandoned": False,
    }


@pytest.mark.redis
def test_one_group_is_shown_alone_and_none_in_words(server: Server, two_groups: None) -> None:
    """The table has a head; without rows there is a sentence that says what to do."""
    table = printed(server, "groups", "--group", "billing")
    nothing = printed(server, "groups", "--group", "nobody")

    assert "oldest seconds" in table
    assert "crm" not in table
    assert nothing.startswith("No group yet.")
