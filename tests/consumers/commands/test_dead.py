"""The commands that redrive and drop: what they say beforehand, ask, do, and say afterwards."""

import json
import re
from typing import Any

import pytest
import typer
from redis import Redis
from typer.testing import CliRunner, Result

from consumers.commands import register
from consumers.commands.letters import show_whole
from consumers.operations.dead.letters import Book, DeadLetter
from relay.contract.connect import text_of
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.registry import WrongType
from tests.consumers.making import GROUP, KEYS, TAG, TYPE
from tests.consumers.operations.dead.setting_aside import letter_for
from tests.servers import Server

pytestmark = pytest.mark.redis

DEAD = KEYS.dead(TAG, GROUP)
AGAIN = KEYS.again(TAG, GROUP, TYPE)


def relay(server: Server, *arguments: str, typed: str | None = None) -> Result:
    """Run a command of `relay` against a server."""
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["dead", *arguments, "--redis-url", server.url], input=typed)


def fine(server: Server, *arguments: str, typed: str | None = None) -> Result:
    """Run a command that succeeds."""
    result = relay(server, *arguments, typed=typed)

    assert result.exit_code == 0, result.output
    return result


def words(text: str) -> str:
    """Give a text with the widths of its columns taken out."""
    return re.sub(r"\s+", " ", text)


@pytest.fixture
def client(server: Server) -> Any:
    """A client of a store with eight letters, of which two cannot be handled."""
    with server.client() as client:
        client.sadd(KEYS.tags, TAG)
        client.hset(KEYS.streams(TAG), TYPE, "1 1-0")
        client.hset(KEYS.groups(TAG), GROUP, '1 ["*:*"]')
        for number in range(6):
            client.xadd(DEAD, letter_for(f"evt_{number}", account=f"acc_{number % 2}"))
        for number in range(2):
            client.xadd(DEAD, letter_for(f"bad_{number}", type="two words"))
        yield client


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who can be asked."""
    monkeypatch.setattr("consumers.commands.confirm.is_terminal", lambda: True)


def newest(client: Redis) -> str:
    """Give the id of the newest letter."""
    found: Any = client.xrevrange(DEAD, count=1)
    return text_of(found[0][0])


def test_a_dry_run_says_how_many_and_which_and_does_nothing(server: Server, client: Redis) -> None:
    """With those that would be left as they are, and why."""
    text = words(fine(server, "redrive", "--dry-run").stdout)

    assert f"6 letters to be redriven, set aside until {newest(client)}." in text
    assert f"{TAG} {GROUP} {TYPE} attempts_spent 6" in text
    assert "The first of them" in text
    assert "evt_4" in text
    assert "evt_5" not in text
    assert "2 are left as they are: the type is no valid one" in text
    assert (client.xlen(DEAD), client.exists(AGAIN)) == (8, 0)


@pytest.mark.parametrize("command", ["redrive", "drop"])
def test_nothing_is_done_where_nobody_can_be_asked(
    server: Server, client: Redis, command: str
) -> None:
    """A script says that it means it."""
    result = relay(server, command)

    assert isinstance(result.exception, CommandFailed)
    assert result.exception.exit_code == WRONG_USAGE
    assert "Look with --dry-run, and add --yes" in str(result.exception)
    assert client.xlen(DEAD) == 8


@pytest.mark.parametrize("command", ["redrive", "drop"])
def test_a_no_does_nothing(server: Server, client: Redis, terminal: None, command: str) -> None:
    """The plan stands above the question."""
    result = relay(server, command, typed="n\n")

    assert isinstance(result.exception, CommandFailed)
    assert f"{command.capitalize()} " in result.stderr
    assert client.xlen(DEAD) == 8


def test_a_yes_redrives_and_says_how_to_go_on(
    server: Server, client: Redis, terminal: None
) -> None:
    """The bound is the newest letter that there was when it was planned."""
    until = newest(client)
    result = fine(server, "redrive", "--type", "*", "--rate", "1000", typed="y\n")

    assert "Redrive 6 letters?" in result.stderr
    assert (
        "If this is interrupted, go on with: "
        f"relay dead redrive --type '*' --until {until} --rate 1000 --yes\n"
    ) in result.stderr
    assert "6 redriven." in result.stdout
    assert (client.xlen(DEAD), client.xlen(AGAIN)) == (2, 6)


def test_how_to_go_on_means_the_same_letters_also_later(server: Server, client: Redis) -> None:
    """How long ago is another time by then, and a limit holds for both runs together."""
    until = newest(client)
    result = fine(server, "redrive", "--since", "1d", "--yes", "--limit", "2")
    (said,) = [line for line in result.stderr.splitlines() if "go on with" in line]
    command = re.fullmatch(r".*: relay dead redrive --since (\d+)-0 --until (\S+) (.*)", said)
    day_ms = 1000 * client.time()[0] - int(command[1]) if command else 0

    assert command is not None
    assert 86_300_000 < day_ms < 86_500_000
    assert command[2] == until
    assert command[3] == "--yes --limit 2 (less by what was redriven until then)"


def test_a_plan_says_where_nobody_would_read_what_is_given_back(
    server: Server, client: Redis
) -> None:
    """It would wait, and no longer end by itself as a dead letter does."""
    warning = f"{GROUP} does not read {TYPE} in {TAG} now: what it is given back waits until"
    before = words(fine(server, "redrive", "--dry-run").stdout)
    client.xgroup_create(KEYS.stream(TAG, TYPE), GROUP, mkstream=True)
    after = words(fine(server, "redrive", "--dry-run").stdout)

    assert warning in before
    assert "does not read" not in after


def test_what_is_left_is_named_afterwards(server: Server, client: Redis) -> None:
    """Each letter with why."""
    bad = KEYS.again(TAG, GROUP, TYPE)
    client.set(bad, "1", px=60_000)
    text = words(fine(server, "redrive", "--yes", "--limit", "1").stdout)

    assert "0 redriven. Left as they are:" in text
    assert f"{GROUP} evt_0 something that is no stream stands where it would go" in text


def test_dropping_removes_for_good_what_is_chosen(server: Server, client: Redis) -> None:
    """What no handler could be given as well."""
    result = fine(server, "drop", "--type", "two words", "--yes")

    assert "2 letters to be dropped" in result.stdout
    assert "2 dropped." in result.stdout
    assert (client.xlen(DEAD), client.exists(AGAIN)) == (6, 0)
    assert '"event": "dead_letters_dropped"' in result.stderr


@pytest.mark.parametrize("options", [["--dry-run"], ["--yes"]])
def test_programs_get_one_document(server: Server, client: Redis, options: list[str]) -> None:
    """With all that people are told, and no line beside it on standard output."""
    done = 0 if "--dry-run" in options else 3
    until = newest(client)
    result = fine(server, "redrive", "--account", "acc_0", "--json", *options)
    document = json.loads(result.stdout)

    assert document | {"first": None, "named": None} == {
        "until": until,
        "letters": 3,
        "parts": [
            {
                "tag": TAG,
                "group": GROUP,
                "type": TYPE,
                "reason": "attempts_spent",
                "letters": 3,
            }
        ],
        "first": None,
        "left": {},
        "unread": [[TAG, GROUP, TYPE]],
        "named": None,
        "done": done,
    }
    assert [row["id"] for row in document["first"]] == ["evt_0", "evt_2", "evt_4"]
    assert "go on with" not in result.stderr


def test_nothing_to_do_is_said_and_nobody_is_asked(server: Server) -> None:
    """It is not a fault."""
    assert fine(server, "redrive").stdout == "No dead letters.\n"
    assert json.loads(fine(server, "drop", "--json").stdout)["letters"] == 0


def test_a_filter_that_nothing_passes_is_not_asked_about(server: Server, client: Redis) -> None:
    """There are letters, but none of them is meant."""
    assert "0 letters to be redriven" in fine(server, "redrive", "--reason", "poison").stdout


def test_letters_are_counted_by_what_they_have_in_common(server: Server, client: Redis) -> None:
    """What an operator wants to know first."""
    text = words(fine(server, "list", "--by", "type").stdout)
    rows = json.loads(fine(server, "list", "--by", "account", "--json").stdout)

    assert text.startswith(f"type letters oldest newest {TYPE} 6 ")
    assert "two words 2" in text
    assert {row["account"]: row["letters"] for row in rows} == {
        "acc_0": 3,
        "acc_1": 3,
        None: 2,
    }


def test_a_list_that_stops_says_how_to_go_on(
    server: Server, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that is said lists what comes next."""
    result = fine(server, "list", "--limit", "3", "--group", GROUP)
    command = result.stderr.partition("relay dead ")[2].split()
    rows = json.loads(fine(server, *command, "--json").stdout)

    assert result.stderr.startswith("3 letters were looked at, and there are more: ")
    assert [row["id"] for row in rows] == [f"evt_{number}" for number in range(4, -1, -1)]


def test_a_list_that_looks_too_long_stops_unless_it_is_told_not_to(
    server: Server, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the first passes the filter."""
    monkeypatch.setattr("consumers.commands.dead.LOOK_SECONDS", 0.0)
    pipeline = client.pipeline(transaction=False)
    for number in range(100):
        pipeline.xadd(DEAD, letter_for(f"more_{number}"))
    pipeline.execute()
    stopped = fine(server, "list", "--id", "evt_1")
    counted = fine(server, "list", "--by", "type")
    through = fine(server, "list", "--id", "evt_1", "--all")

    assert "64 letters were looked at" in stopped.stderr
    assert re.search(r": relay dead list --until \S+ --by type\n", counted.stderr)
    assert "evt_1" not in stopped.stdout
    assert "evt_1" in through.stdout


def test_a_letter_is_shown_with_headers_and_body_in_lines_of_their_own(
    server: Server, client: Redis
) -> None:
    """JSON is set out for people; anything else is one line."""
    data = b'{"text":"caf\xc3\xa9\\u001b[31m","list":[1]}'
    client.xadd(DEAD, letter_for("json", data=data, headers={"user-agent": "x"}))
    text = fine(server, "show", "json").stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]

    assert "attempts 8" in lines
    assert "firsterror KeyError: first" in lines
    assert "entryid 5-0" in lines
    assert "headers {" in lines
    assert '"user-agent": "x"' in lines
    assert "data {" in lines
    assert '"text": "café\\u001b[31m",' in lines
    assert "\x1b" not in text


def test_a_body_of_deep_or_strange_json_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No body can make the command fail."""
    for body in (b"[" * 100_000, b"NaN", b'"\\ud800"', b"1" * 5000):
        letter = DeadLetter(
            book=Book(TAG, GROUP, DEAD),
            letter_id="1-0",
            fields={b"data": body},
            size_bytes=1,
            field_count=1,
        )
        show_whole(letter, as_json=False)

        assert "data" in capsys.readouterr().out


def test_no_name_of_a_field_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever writes into a stream may name fields as they like."""
    letter = DeadLetter(
        book=Book(TAG, GROUP, DEAD),
        letter_id="1-0",
        fields={"\x1b[31m\r\u202e".encode(): b"x"},
        size_bytes=1,
        field_count=1,
    )
    show_whole(letter, as_json=False)

    assert "\\x1b[31m\\x0d\\u202e" in capsys.readouterr().out


def test_no_name_of_a_group_reaches_the_terminal(server: Server, client: Redis) -> None:
    """Any program may make one, with whatever is in its name."""
    group = "\x1b[31mbilling"
    client.xgroup_create(KEYS.stream(TAG, TYPE), group, id="0", mkstream=True)
    for name in (group, GROUP):
        client.xadd(KEYS.dead(TAG, name), letter_for("evt_twice"))
    result = relay(server, "show", "evt_twice")

    assert "\\x1b[31mbilling" in str(result.exception)
    assert "\x1b" not in str(result.exception)


def test_a_bad_time_is_explained(server: Server, client: Redis) -> None:
    """Before anything is looked at."""
    result = relay(server, "redrive", "--since", "lately", "--yes")

    assert isinstance(result.exception, CommandFailed)
    assert "is no time" in str(result.exception)
    assert client.xlen(DEAD) == 8


@pytest.fixture
def spoiled(client: Redis) -> str:
    """A second tag, whose registry something else has written over."""
    client.sadd(KEYS.tags, "github")
    client.hset(KEYS.groups("github"), GROUP, '1 ["*:*"]')
    client.set(KEYS.streams("github"), "mine", px=60_000)
    return KEYS.streams("github")


def test_what_cannot_be_looked_at_is_named_and_the_rest_is_listed(
    server: Server, client: Redis, spoiled: str
) -> None:
    """Also by kind, and a letter is shown all the same."""
    listed = relay(server, "list")
    counted = relay(server, "list", "--by", "reason")
    shown = fine(server, "show", newest(client))

    for result, there in ((listed, "evt_5"), (counted, "attempts_spent")):
        assert there in result.stdout
        assert isinstance(result.exception, CommandFailed)
        assert f"{spoiled} is a string, where the relay keeps a hash" in str(result.exception)
        assert "Rename it or delete it" in str(result.exception)
    assert "bad_1" in shown.stdout


def test_a_letter_that_is_not_found_may_be_where_nothing_can_be_looked_at(
    server: Server, client: Redis, spoiled: str
) -> None:
    """So that is said, and not that there is none."""
    client.delete(KEYS.groups("github"))

    assert f"{spoiled} is a string" in str(relay(server, "show", "evt_unknown").exception)


@pytest.mark.parametrize("command", ["redrive", "drop"])
def test_letters_are_not_changed_where_not_all_can_be_looked_at(
    server: Server, client: Redis, spoiled: str, command: str
) -> None:
    """The operator mends it, or leaves it out."""
    refused = relay(server, command, "--yes")
    fine(server, command, "--endpoint", TAG, "--limit", "2", "--yes")

    assert isinstance(refused.exception, WrongType)
    assert spoiled in str(refused.exception)
    assert client.xlen(DEAD) == 6


def test_dead_letters_that_something_else_stands_for_are_named(
    server: Server, client: Redis
) -> None:
    """The letters of other groups are listed."""
    client.hset(KEYS.groups(TAG), "billing", '1 ["*:*"]')
    client.set(KEYS.dead(TAG, "billing"), "mine", px=60_000)

    listed = relay(server, "list")

    assert "evt_5" in listed.stdout
    assert f"{KEYS.dead(TAG, 'billing')} is a string" in str(listed.exception)


@pytest.mark.parametrize("command", [["list"], ["show", "1-0"], ["redrive", "--dry-run"], ["drop"]])
def test_without_the_tags_nothing_is_known(
    server: Server, client: Redis, command: list[str]
) -> None:
    """Their key is named."""
    client.delete(KEYS.tags)
    client.set(KEYS.tags, "mine", px=60_000)

    assert f"{KEYS.tags} is a string" in str(relay(server, *command).exception)
