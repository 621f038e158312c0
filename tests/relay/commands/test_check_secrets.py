"""``relay check`` says which secrets count no more, and which nobody needs."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from relay.commands.check.configuration import check_configuration
from relay.commands.check.secrets import UNUSED_MS
from relay.endpoint import Secret
from tests.relay.commands.conftest import Relay
from tests.relay.commands.using import use
from tests.servers import Server

ENVIRON = {"A": "secret-of-a", "B": "secret-of-b", "SAME": "secret-of-a"}
PAST, FUTURE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
DAY_MS = 24 * 3600 * 1000


def found_of(*secrets: dict[str, str], **table: Any) -> list[tuple[str, str]]:
    """Check an endpoint; give what is wrong with its secrets."""
    endpoints = {"mine": {"provider": "github", "secrets": secrets, **table}}
    environ = ENVIRON | {"RELAY_ENDPOINTS": json.dumps(endpoints)}
    findings = check_configuration(environ, None)
    assert [each for each in findings if "secret-of" in repr(each)] == []
    return [(each.state, each.found) for each in findings if each.what == "secrets"]


def test_secrets_that_count_and_differ_are_fine() -> None:
    """Several of them too: a rotation is under way."""
    assert found_of({"env": "A", "not_before": PAST}, {"env": "B", "not_after": FUTURE}) == []


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({"not_after": PAST}, "env:A counts no more since 2001-01-01T00:00:00.000Z"),
        ({"not_before": FUTURE}, "env:A does not count before 2999-01-01T00:00:00.000Z"),
    ],
)
def test_a_secret_out_of_its_time_is_named(times: dict[str, str], words: str) -> None:
    """It may stand there on purpose; an endpoint that has no other is refused everything."""
    beside = found_of({"env": "B"}, {"env": "A", **times})
    alone = found_of({"env": "A", **times})

    assert beside == [("warn", f"endpoints.mine: {words}")]
    assert alone[0] == beside[0]
    assert alone[1][0] == "fail"
    assert "every delivery is refused" in alone[1][1]
    assert len(alone) == 2


def test_the_same_secret_twice_is_named() -> None:
    """By the names alone: a rotation that has not begun."""
    assert found_of({"env": "A"}, {"env": "B"}, {"env": "SAME"}) == [
        ("warn", "endpoints.mine: env:A and env:SAME hold the same secret")
    ]


def test_a_dry_run_is_named() -> None:
    """Nobody should forget that it is one."""
    ((state, found),) = found_of({"env": "A"}, dry_run=True)

    assert state == "warn"
    assert "dry_run" in found


@pytest.mark.redis
@pytest.mark.parametrize(
    ("new_first_days", "old_last_days", "is_told"),
    [
        (8, 8, True),
        (8, None, True),
        (8, 6, False),
        (6, None, False),
        (6, 8, False),
        (None, 8, False),
    ],
)
def test_an_old_secret_that_nobody_has_used_for_long_is_to_go(
    relay: Relay,
    server: Server,
    tmp_path: Path,
    new_first_days: int | None,
    old_last_days: int | None,
    is_told: bool,
) -> None:
    """Once a newer one has been used for as long, and still is."""
    (tmp_path / "relay.toml").write_text(
        f'[redis]\nurl = "{server.url}"\n[endpoints.mine]\nprovider = "github"\n'
        'secrets = [{ env = "A" }, { env = "B" }]\n'
    )
    now_ms = time.time_ns() // 1_000_000
    new, old = (Secret(ENVIRON[name], f"env:{name}") for name in "AB")
    if new_first_days:
        asyncio.run(use(server, "mine", new, now_ms - new_first_days * DAY_MS))
        asyncio.run(use(server, "mine", new, now_ms))
    if old_last_days:
        asyncio.run(use(server, "mine", old, now_ms - old_last_days * DAY_MS))
    done = relay("check", "--json", A=ENVIRON["A"], B=ENVIRON["B"])
    found = [row for row in json.loads(done.stdout) if row["what"] == "secrets"]

    assert UNUSED_MS == 7 * DAY_MS
    assert [row["state"] for row in found] == ["warn"] * is_told
    assert all("relay secrets rotate mine --finish" in row["advice"] for row in found)
    assert all("env:B was" in row["found"] for row in found)


@pytest.mark.redis
def test_a_book_of_another_type_is_named(relay: Relay, server: Server, tmp_path: Path) -> None:
    """By the check, which goes on, and by who asks for it."""
    (tmp_path / "relay.toml").write_text(
        f'[redis]\nurl = "{server.url}"\n[endpoints.mine]\nprovider = "github"\n'
        'secrets = [{ env = "A" }, { env = "B" }]\n'
    )
    with server.client() as client:
        client.set("relay:{mine}@usage", "a word", ex=100)
    done = relay("check", "--json", A=ENVIRON["A"], B=ENVIRON["B"])
    rows = json.loads(done.stdout)
    asked = relay("secrets", "status", A=ENVIRON["A"], B=ENVIRON["B"])

    assert any("relay:{mine}@usage is a string" in row["found"] for row in rows)
    assert "@usage" not in rows[-1]["found"]
    assert asked.exit_code == 1
    assert "relay:{mine}@usage is a string" in asked.stderr
