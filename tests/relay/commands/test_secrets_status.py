"""``relay secrets status`` on real servers."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from relay.commands.secrets.words import ago
from relay.endpoint import Secret
from tests.relay.commands.conftest import Relay
from tests.relay.commands.using import use
from tests.servers import Server

pytestmark = pytest.mark.redis

OLD, NEW = "wes_old_0000000000000000000000000", "wes_new_0000000000000000000000000"
MINUTE_MS = 60_000
FILE = """
[redis]
url = "{url}"
[endpoints.unipile]
provider = "unipile"
secrets = [{{ file = "{new}" }}, {{ env = "OLD", not_after = 2999-01-01T00:00:00Z }}]
"""


def now_ms() -> int:
    """Give the time."""
    return time.time_ns() // 1_000_000


@pytest.fixture
def new(server: Server, tmp_path: Path) -> Secret:
    """Two secrets, the newer in a file; give that one."""
    path = tmp_path / "new.secret"
    path.write_text(f"{NEW}\n")
    (tmp_path / "relay.toml").write_text(FILE.format(url=server.url, new=path))
    return Secret(NEW, f"file:{path}")


@pytest.fixture
def old() -> Secret:
    """The older one."""
    return Secret(OLD, "env:OLD")


def status(relay: Relay, **variables: str) -> dict[str, Any]:
    """Give what is said of the endpoint."""
    done = relay("secrets", "status", "--json", **variables)
    assert done.exit_code == 0, done.stderr
    assert OLD not in done.output
    assert NEW not in done.output
    (found,) = json.loads(done.stdout)
    return dict(found)


def test_each_secret_is_shown_with_its_use(
    relay: Relay, server: Server, new: Secret, old: Secret
) -> None:
    """In its order, with the time until when it counts, and what it has proved."""
    at = now_ms()
    asyncio.run(use(server, "unipile", old, at - 3 * MINUTE_MS))
    asyncio.run(use(server, "unipile", old, at - 5 * MINUTE_MS))
    found = status(relay, OLD=OLD)
    first, second = found["secrets"]

    assert (first["secret"], first["counts"], first["deliveries"]) == (new.name, "yes", 0)
    assert first["fingerprint"] == new.fingerprint
    assert (second["secret"], second["deliveries"]) == ("env:OLD", 2)
    assert second["counts"] == "until 2999-01-01T00:00:00.000Z"
    assert second["first"] < second["last"]
    assert f"({new.name}) was never used, the old one last used 3 min ago." in found["says"]


def test_people_get_a_table_and_a_sentence(
    relay: Relay, server: Server, new: Secret, old: Secret
) -> None:
    """Without any secret in it."""
    asyncio.run(use(server, "unipile", new, now_ms() - 3 * 3600_000))
    done = relay("secrets", "status", "unipile", OLD=OLD)

    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[:3]] == [
        "endpoint",
        "unipile",
        "unipile",
    ]
    assert new.fingerprint in done.stdout
    assert old.fingerprint in done.stdout
    assert "was last used 3 h ago, the old one never used." in done.stdout
    assert OLD not in done.output
    assert NEW not in done.output


def test_what_is_configured_no_more_is_shown_as_that(
    relay: Relay, server: Server, new: Secret, old: Secret
) -> None:
    """By name and content: the same file with another content is another secret."""
    before = Secret("wes_before_00000000000000000000000", new.name)
    for secret in (before, old, Secret(OLD, "env:GONE")):
        asyncio.run(use(server, "unipile", secret, now_ms()))
    long_gone = now_ms() - 91 * 24 * 60 * MINUTE_MS
    asyncio.run(use(server, "unipile", Secret(OLD, "env:LONG_GONE"), long_gone))
    rows = status(relay, OLD=OLD)["secrets"]

    assert [row["configured"] for row in rows] == [True, True, False, False]
    assert {(row["secret"], row["fingerprint"]) for row in rows[2:]} == {
        (new.name, before.fingerprint),
        ("env:GONE", old.fingerprint),
    }
    assert rows[0]["deliveries"] == 0


def test_a_secret_that_cannot_be_read_here_is_known_by_its_name(
    relay: Relay, server: Server, new: Secret, old: Secret
) -> None:
    """It is the gateway that must read it; the rest is shown all the same."""
    asyncio.run(use(server, "unipile", old, now_ms()))
    found = status(relay)
    row = found["secrets"][1]

    assert (row["secret"], row["fingerprint"], row["deliveries"]) == ("env:OLD", None, 1)
    assert len(found["secrets"]) == 2
    assert "environment variable OLD is not set" in found["says"]
    assert "by its name alone" in found["says"]


def test_what_may_be_the_secret_is_not_shown_for_its_variable(
    relay: Relay, server: Server, tmp_path: Path
) -> None:
    """It was written where the variable's name belongs; a usual name of one looks otherwise."""
    text = FILE.format(url=server.url, new=tmp_path / "new.secret")
    (tmp_path / "relay.toml").write_text(text.replace("OLD", OLD))
    said = [
        relay("secrets", *words).output
        for words in (("status",), ("status", "--json"), ("rotate", "unipile"))
    ] + [relay("endpoints", "test", "unipile").output]

    assert all("…" in words or "\\u2026" in words for words in said[:3])
    assert not any(OLD in words for words in said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            (10_000, True),
            "All gateways that were heard within the last 75 s have loaded the new one.",
        ),
        ((10_000, False), "No gateway has loaded the new one yet: run `relay reload`."),
        ((3_600_000, True), "is not known"),
    ],
)
def test_whether_gateways_have_the_new_one_is_said(
    relay: Relay, server: Server, new: Secret, old: Secret, said: tuple[int, bool], words: str
) -> None:
    """As far as they have said it lately."""
    ago_ms, has_new = said
    holds = (new, old) if has_new else (old,)
    asyncio.run(use(server, "unipile", None, now_ms() - ago_ms, *holds))

    assert words in status(relay, OLD=OLD)["says"]


def test_of_two_gateways_one_may_have_it(
    relay: Relay, server: Server, new: Secret, old: Secret
) -> None:
    """Another runs on with its old configuration."""
    asyncio.run(use(server, "unipile", None, now_ms(), new, old))
    asyncio.run(use(server, "unipile", None, now_ms(), old))

    assert "A gateway has loaded the new one, and another had not" in status(relay, OLD=OLD)["says"]


def test_an_endpoint_that_a_variable_alone_has_made_is_shown(relay: Relay, server: Server) -> None:
    """Without any file."""
    variables = {"REDIS_URL": server.url, "UNIPILE_WEBHOOK_SECRET": OLD}
    (row,) = status(relay, **variables)["secrets"]
    nothing = relay("secrets", "status", REDIS_URL=server.url)
    unknown = relay("secrets", "status", "other", **variables)

    assert row["secret"] == "env:UNIPILE_WEBHOOK_SECRET"
    assert nothing.stdout == "No endpoint is configured here.\n"
    assert unknown.exit_code == 2
    assert "configured: unipile" in unknown.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (2 * 86_400, "2 days"),
        (90 * 86_400, "90 days"),
    ],
)
def test_times_are_said_in_one_unit(seconds: int, text: str) -> None:
    """Rounded down, and never as a time to come."""
    assert ago(1_000_000_000_000 - 1000 * seconds, 1_000_000_000_000) == f"{text} ago"
