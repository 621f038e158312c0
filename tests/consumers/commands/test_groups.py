"""What ``relay groups`` and what is below it print, and what they refuse."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from redis import Redis
from typer.testing import CliRunner, Result

from consumers.commands import register
from consumers.operations.groups.remove import GroupConfigured, GroupInUse
from relay.contract.connect import text_of
from relay.contract.explain import CommandFailed
from tests.consumers.making import GROUP, KEYS, TAG, TYPE, fields_for, make_stream
from tests.servers import Server

pytestmark = pytest.mark.redis

STREAM = make_stream().key
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "pause-and-remove-groups.md"


def command(server: Server, *arguments: str, of: str = "groups") -> Result:
    """Run a sub-command of ``relay groups``, or of another, against a server."""
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, [of, *arguments, "--redis-url", server.url])


def done(server: Server, *arguments: str) -> Result:
    """Run one that succeeds."""
    result = command(server, *arguments)

    assert result.exit_code == 0, (result.output, result.exception)
    return result


def document(server: Server, *arguments: str) -> Any:
    """Run one that succeeds, and give the document that it printed."""
    return json.loads(done(server, *arguments, "--json").stdout)


@pytest.fixture
def client(server: Server) -> Any:
    """A stream with two events, of which a consumer that is gone has read one."""
    with server.client() as client:
        client.sadd(KEYS.tags, TAG)
        client.hset(KEYS.streams(TAG), TYPE, "1 1-0")
        fields: Any = fields_for()
        for number in (1, 2):
            client.xadd(STREAM, fields, id=f"{number}-0")
        client.xgroup_create(STREAM, GROUP, id="0")
        client.xreadgroup(GROUP, "gone", {STREAM: ">"}, count=1)
        yield client


@pytest.fixture
def all_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody live who has no heartbeat."""
    monkeypatch.setattr("consumers.operations.groups.look.ACTIVE_MS", 0)


def test_a_pause_is_told_and_shown_with_its_reason(server: Server, client: Redis) -> None:
    """Since when, by whom and why; a second pause changes nothing."""
    first = done(server, "pause", GROUP, "unipile:*", "--reason", "CRM is \x1b[31mdown")
    value = client.hgetall(KEYS.paused)
    second = done(server, "pause", GROUP, "unipile:*", "--reason", "another")
    shown = done(server)
    (row,) = document(server)

    assert "1 streams wait; 1 consumers live" in first.stdout
    assert "paused already" in second.stdout
    assert client.hgetall(KEYS.paused) == value
    assert (
        "CRM is \\x1b[31mdown. It goes on with: relay groups resume crm 'unipile:*'\n"
        in shown.stderr
    )
    assert row["paused"]
    assert row["pauses"][0]["reason"] == "CRM is \x1b[31mdown"
    assert row["pauses"][0]["since"]


def test_a_pause_of_everything_needs_no_pattern_to_go_on(server: Server, client: Redis) -> None:
    """There is none to name that would end less."""
    done(server, "pause", GROUP)

    assert "It goes on with: relay groups resume crm\n" in done(server).stderr


def test_a_pause_of_what_is_not_there_is_made_and_warned_of(server: Server, client: Redis) -> None:
    """It may be a stream that is yet to come, or a slip."""
    result = done(server, "pause", GROUP, "unipile:mesage.*")

    assert "No stream of crm matches it now" in result.stderr
    assert client.hexists(KEYS.paused, "crm unipile:mesage.*")


def test_what_is_resumed_is_gone_from_the_book_and_the_rest_stays(
    server: Server, client: Redis
) -> None:
    """Without a pattern all of the group's; another group's never."""
    for group, pattern in ((GROUP, "unipile:*"), (GROUP, "*:email.*"), ("billing", "*:*")):
        done(server, "pause", group, pattern)
    one = done(server, "resume", GROUP, "*:email.*")
    (rest,) = document(server, "resume", GROUP)

    assert "crm goes on with *:email.*" in one.stdout
    assert "Still so: crm is paused on unipile:*" in one.stderr
    assert rest["pattern"] == "unipile:*"
    assert client.hkeys(KEYS.paused) == [b"billing *:*"]


@pytest.mark.parametrize(
    ("arguments", "said", "exit_code"),
    [
        (["resume", GROUP], "Nothing of crm is paused", 1),
        (["resume", "billing", "unipile:message.*"], "but by: *:email.*", 1),
        (["pause", "CRM"], "is no group", 2),
        (["pause", GROUP, "message.new"], "is not a pattern", 2),
        (["remove", "nobody", "--yes"], "There is nothing of a group 'nobody'", 1),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    server: Server, client: Redis, arguments: list[str], said: str, exit_code: int
) -> None:
    """With what there is instead."""
    done(server, "pause", "billing", "*:email.*")
    failed = command(server, *arguments).exception

    assert isinstance(failed, CommandFailed)
    assert said in str(failed)
    assert failed.exit_code == exit_code


def test_an_abandoned_group_is_named_with_what_it_pins(
    server: Server, client: Redis, all_gone: None
) -> None:
    """And with what to do; programs find it in the row."""
    result = done(server)
    (row,) = document(server)

    assert "crm has no living consumer" in result.stderr
    assert f"which pin {STREAM}" in result.stderr
    assert row["abandoned"]
    assert row["left_behind"] == 1


def test_no_name_of_a_group_reaches_the_terminal(server: Server, client: Redis) -> None:
    """Any program may make one, with whatever is in its name."""
    client.xgroup_create(STREAM, "\x1b[31mbilling", id="0")
    result = done(server)

    assert "\\x1b[31mbilling has no living consumer" in result.stderr
    assert "\x1b" not in result.output


def test_a_key_of_a_wrong_type_is_named_behind_the_rest(server: Server, client: Redis) -> None:
    """The exit code says that a problem was found."""
    client.hset(KEYS.streams(TAG), "spoiled", "2 1-0")
    spoiled = make_stream("spoiled").key
    client.set(spoiled, "x", px=60_000)
    result = command(server)

    assert GROUP in result.stdout
    assert result.exit_code == 1
    assert f"{spoiled}: WRONGTYPE" in str(result.exception)


def test_a_group_is_removed_with_all_that_is_its_own(
    server: Server, client: Redis, all_gone: None
) -> None:
    """Events, dead letters and other groups stay."""
    client.xgroup_create(STREAM, "billing", id="0")
    client.xadd(KEYS.dead(TAG, GROUP), {"id": "evt_0"})
    client.zadd(KEYS.park(TAG, GROUP), {"a": 1})
    client.zadd(KEYS.park(TAG, "billing"), {"a": 1})
    done(server, "pause", GROUP)
    dry = done(server, "remove", GROUP, "--dry-run")
    before = client.dbsize()
    result = done(server, "remove", GROUP, "--yes")
    groups: Any = client.xinfo_groups(STREAM)

    letters = command(server, "list", "--group", GROUP, of="dead")

    assert "Nothing was changed" in dry.stdout
    assert "evt_0" in letters.stdout
    assert f"with it goes {KEYS.park(TAG, GROUP)}" in dry.stdout
    assert "1 dead letters stay" in result.stdout
    assert [text_of(group["name"]) for group in groups] == ["billing"]
    assert client.xlen(STREAM) == 2
    assert client.xlen(KEYS.dead(TAG, GROUP)) == 1
    assert client.exists(KEYS.park(TAG, GROUP)) == 0
    assert client.exists(KEYS.paused) == 0
    assert client.exists(KEYS.park(TAG, "billing")) == 1
    assert client.dbsize() == before - 2


def test_dead_letters_go_only_where_that_is_said(
    server: Server, client: Redis, all_gone: None
) -> None:
    """They are found also when the group is on no stream any more."""
    client.xadd(KEYS.dead(TAG, GROUP), {"id": "evt_0"})
    done(server, "remove", GROUP, "--yes")
    again = command(server, "remove", GROUP, "--yes").exception
    told = document(server, "remove", GROUP, "--with-dead", "--yes")

    assert "nothing of a group 'crm' but its dead letters: add --with-dead" in str(again)
    assert told["books"] == [KEYS.dead(TAG, GROUP)]
    assert (told["dead"], told["done"]) == (1, True)
    assert client.exists(KEYS.dead(TAG, GROUP)) == 0


def test_a_group_with_living_consumers_is_not_removed(server: Server, client: Redis) -> None:
    """They are named; a dry run says so too."""
    refused = command(server, "remove", GROUP, "--yes", "--force").exception
    dry = done(server, "remove", GROUP, "--dry-run")

    assert isinstance(refused, GroupInUse)
    assert "living consumers: gone" in str(refused)
    assert "It would be refused" in dry.stderr
    assert len(list(client.xinfo_groups(STREAM))) == 1


def test_a_group_that_a_gateway_lists_is_removed_only_by_force(
    server: Server, client: Redis, all_gone: None
) -> None:
    """It would be made again; what to take out of which file is said."""
    client.hset(KEYS.groups(TAG), GROUP, b'1 ["unipile:*"]')
    refused = command(server, "remove", GROUP, "--yes").exception
    done(server, "remove", GROUP, "--yes", "--force")

    assert isinstance(refused, GroupConfigured)
    assert "Take `crm = …` out of [groups] in relay.toml" in str(refused)
    assert client.exists(KEYS.groups(TAG)) == 0
    assert client.xinfo_groups(STREAM) == []


def test_nobody_is_asked_where_there_is_nobody(
    server: Server, client: Redis, all_gone: None
) -> None:
    """A script must say --yes."""
    refused = command(server, "remove", GROUP).exception

    assert isinstance(refused, CommandFailed)
    assert "add --yes" in str(refused)
    assert len(list(client.xinfo_groups(STREAM))) == 1


def test_a_person_is_asked_and_may_say_no(
    server: Server, client: Redis, all_gone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is changed then."""
    monkeypatch.setattr("consumers.commands.confirm.is_terminal", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    refused = command(server, "remove", GROUP).exception
    before = len(list(client.xinfo_groups(STREAM)))
    monkeypatch.setattr("typer.confirm", lambda *_, **__: True)
    done(server, "remove", GROUP)

    assert "Nothing was done" in str(refused)
    assert before == 1
    assert client.xinfo_groups(STREAM) == []


def test_the_lines_of_the_how_to_page_run(server: Server, client: Redis, all_gone: None) -> None:
    """In their order, from the first look to the removal."""
    blocks = re.findall(r"```sh\nrelay groups (.*?)\n```", PAGE.read_text("utf-8"))
    for line in blocks:
        done(server, *shlex.split(line))

    assert [line.split()[0] for line in blocks] == [
        "--group",
        "pause",
        "pause",
        "resume",
        "remove",
        "remove",
    ]
    assert client.xinfo_groups(STREAM) == []
