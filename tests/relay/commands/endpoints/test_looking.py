"""``relay endpoints list`` and ``show`` on real servers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from relay.contract.connect import connect
from relay.contract.keys import Keys
from relay.endpoint import Secret
from relay.usage import Usage
from tests.making import make_endpoint
from tests.relay.commands.conftest import Relay
from tests.servers import Server

pytestmark = pytest.mark.redis

FILE = """
[redis]
url = "{url}"
[endpoints.app]
provider = "unipile"
secrets = [{{ env = "NOT_SET_HERE" }}]
[endpoints.hub]
provider = "github"
secrets = [{{ file = "/nowhere/hub.secret" }}]
"""
EVIL = "\x1b[2J\u202e[bold]"


def note(server: Server, endpoint: str, *outcomes: str, at_ms: int = 0) -> None:
    """Have a gateway note outcomes of an endpoint, each proved by one secret."""

    async def write() -> None:
        redis = connect(server.url, role="test")
        clock = (lambda: at_ms) if at_ms else None
        usage = Usage(
            redis, Keys(), {endpoint: make_endpoint()}, **({"clock": clock} if clock else {})
        )
        for outcome in outcomes:
            usage.note(endpoint, outcome, Secret("x", "env:IT") if outcome == "stored" else None)
        await usage.flush()
        await redis.aclose()

    asyncio.run(write())


def begin(server: Server, endpoint: str, *types: str) -> None:
    """Have streams of an endpoint in the books."""
    keys = Keys()
    with server.client() as client:
        client.sadd(keys.tags, endpoint)
        for event_type in types:
            client.hset(keys.streams(endpoint), event_type, "1 1-0")


@pytest.fixture
def configured(server: Server, tmp_path: Path) -> None:
    """Two endpoints, whose secrets are not here."""
    (tmp_path / "relay.toml").write_text(FILE.format(url=server.url))


@pytest.mark.usefixtures("configured")
def test_what_is_configured_and_what_is_stored_is_listed(relay: Relay, server: Server) -> None:
    """Without any of the secrets; what is in the store alone comes last."""
    note(server, "app", "stored", "signature_missing", "stored")
    begin(server, "app#0", "message.new")
    begin(server, "gone", "old")
    done = relay("endpoints", "list", "--json")
    rows: list[Any] = json.loads(done.stdout)

    assert done.exit_code == 0
    assert [(row["endpoint"], row["state"]) for row in rows] == [
        ("app", "receiving"),
        ("hub", "not loaded"),
        ("gone", "not configured"),
    ]
    assert (rows[0]["stored"], rows[0]["refused"], rows[0]["reason"], rows[0]["secret"]) == (
        2,
        1,
        "signature_missing",
        "env:IT",
    )


@pytest.mark.usefixtures("configured")
def test_one_is_shown_with_all_that_is_known(relay: Relay, server: Server) -> None:
    """Its types of all partitions, and the newest row of its refusal log."""
    note(server, "app", "stored", "signature_missing")
    begin(server, "app#0", "message.new")
    begin(server, "app#1", "message.new", "email.new")
    with server.client() as client:
        client.xadd(Keys().rejected("app"), {"reason": "signature_missing"}, id="5-1")
        client.pexpire(Keys().rejected("app"), 60_000)
    text = relay("endpoints", "show", "app")
    said = json.loads(relay("endpoints", "show", "app", "--json").stdout)

    assert text.exit_code == 0
    assert said["types"] == ["email.new", "message.new"]
    assert said["url"] == "https://<your host>/webhooks/app"
    assert said["last_rejection"] == "5-1"
    assert {each["name"]: each["count"] for each in said["outcomes"]} == {
        "stored": 1,
        "signature_missing": 1,
    }
    assert [each["fingerprint"] for each in said["secrets"]] == [Secret("x", "").fingerprint]
    assert all(word in text.stdout for word in ("signature_missing", "env:IT", "message.new"))


@pytest.mark.usefixtures("configured")
def test_a_gateway_that_has_ended_is_told(relay: Relay, server: Server) -> None:
    """It says every minute what it has."""
    note(server, "app", "stored", at_ms=1_700_000_000_000)
    done = relay("endpoints", "show", "app")

    assert "No gateway that uses this store has it now" in done.stdout


@pytest.mark.usefixtures("configured")
def test_an_unknown_name_is_a_mistake(relay: Relay) -> None:
    """With the one that was most likely meant."""
    done = relay("endpoints", "show", "hubb")

    assert done.exit_code == 2
    assert "Did you mean hub?" in done.stderr


@pytest.mark.usefixtures("configured")
def test_the_endpoint_of_a_variable_alone_is_listed(
    relay: Relay, server: Server, tmp_path: Path
) -> None:
    """Where there is no file."""
    (tmp_path / "relay.toml").unlink()
    options = ("endpoints", "list", "--json", "--redis-url", server.url)
    rows = json.loads(relay(*options, UNIPILE_WEBHOOK_SECRET="secret").stdout)

    assert [row["endpoint"] for row in rows] == ["unipile"]


@pytest.mark.usefixtures("configured")
def test_nothing_in_the_store_does_anything_to_a_terminal(relay: Relay, server: Server) -> None:
    """Names of tags, types, outcomes and secrets are written by whoever may write there."""
    begin(server, f"a{EVIL}", "type")
    begin(server, "app", f"type{EVIL}")
    with server.client() as client:
        for name in (f"outcome:{EVIL}", f"secret:{EVIL}#{EVIL}"):
            client.hset(Keys().usage("app"), name, "1 1800000000000 1800000000000")
        client.pexpire(Keys().usage("app"), 60_000)
        client.xadd(Keys().rejected("app"), {"reason": EVIL})
        client.pexpire(Keys().rejected("app"), 60_000)
    outputs = [
        relay("endpoints", *words).output
        for words in (["list"], ["list", "--json"], ["show", "app"], ["show", f"a{EVIL}"])
    ]

    assert "\\x1b[2J\\u202e[bold]" in outputs[0]
    assert not [said for said in outputs if "\x1b" in said or "\u202e" in said]


@pytest.mark.usefixtures("configured")
def test_what_something_else_has_written_is_named(relay: Relay, server: Server) -> None:
    """The other endpoints are shown all the same."""
    begin(server, "app")
    note(server, "hub", "stored")
    with server.client() as client:
        for key in (Keys().usage("app"), Keys().streams("app"), Keys().rejected("app")):
            client.set(key, "theirs", px=60_000)
    listed, shown = relay("endpoints", "list"), relay("endpoints", "show", "app")

    assert (listed.exit_code, shown.exit_code) == (1, 1)
    assert "receiving" in listed.stdout
    assert Keys().usage("app") in listed.stderr
    assert Keys().streams("app") in listed.stderr
    assert Keys().rejected("app") in shown.stderr
