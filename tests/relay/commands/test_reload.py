"""``relay reload``: who is asked, what is said of each, and the exit code."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from relay.commands import reload as command
from relay.contract.keys import Keys
from tests.relay.commands.conftest import Relay
from tests.servers import Server

pytestmark = pytest.mark.redis

CONTROL = Keys().control


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "HEAR_SECONDS", 0.6)
    monkeypatch.setattr(command, "OTHERS_SECONDS", 0.3)
    monkeypatch.setattr(command, "BLOCK_SECONDS", 0.05)


@contextmanager
def gateways(server: Server, *said: dict[str, Any]) -> Iterator[None]:
    """Have gateways that answer the next request with these, within the block."""

    def answer() -> None:
        with server.client() as client:
            found: Any = None
            while not found and not over.is_set():
                found = client.xread({CONTROL: "0"}, block=100)
            for fields in said if found else ():
                request = found[0][1][0][1][b"request"]
                usual = {"what": "reload-answer", "request": request, "gateway": "one"}
                usual |= {"host": "web-1", "pid": 7, "faults": "[]"}
                client.xadd(CONTROL, usual | fields)

    over = threading.Event()
    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_each_gateway_has_its_line(relay: Relay, server: Server) -> None:
    """In containers host and process may be alike; an answer that comes twice counts once."""
    said = [{"gateway": name, "outcome": outcome} for name in "ab" for outcome in OUTCOMES]
    with gateways(server, *said, *said):
        done = relay("reload", "--redis-url", server.url)

    line = "web-1 (process 7) has taken the configuration over\n"
    assert (done.exit_code, done.stdout) == (0, 2 * line)


OUTCOMES = ("begun", "taken_over")


def test_a_refusal_is_shown_with_every_fault(relay: Relay, server: Server) -> None:
    """Each on a line, and nothing in it does anything to a terminal."""
    faults = json.dumps(["colour: no such setting", "\x1b[2Jprefix\u202e"])
    said = {"outcome": "refused", "faults": faults, "host": "web\x07"}
    with gateways(server, {"outcome": "begun"}, said):
        done = relay("reload", "--redis-url", server.url)
    first, *rest = done.stdout.splitlines()

    assert done.exit_code == 1
    assert first.startswith("web\\x07 (process 7) has refused")
    assert rest == ["  colour: no such setting", "  \\x1b[2Jprefix\\u202e"]


def test_programs_are_given_the_same(relay: Relay, server: Server) -> None:
    """Whatever came of it, in words that stay."""
    said = [{"outcome": "begun"}, {"outcome": "failed"}]
    with gateways(server, *said):
        done = relay("reload", "--redis-url", server.url, "--json")

    assert done.exit_code == 1
    assert json.loads(done.stdout) == [
        {"host": "web-1", "pid": 7, "outcome": "failed", "faults": []}
    ]


def test_one_that_is_not_done_in_time_is_told(relay: Relay, server: Server) -> None:
    """Others are not, for all that they have said."""
    said = [{"outcome": "begun", "gateway": "slow", "host": "web-2"}, {"outcome": "taken_over"}]
    with gateways(server, *said):
        done = relay("reload", "--redis-url", server.url, "--wait", "1")

    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "web-1 (process 7) has taken the configuration over",
        "web-2 (process 7) is still at it",
    ]


def test_answers_to_others_are_passed_over(relay: Relay, server: Server) -> None:
    """Two may ask at the same time."""
    with gateways(server, {"outcome": "taken_over", "request": "another"}):
        done = relay("reload", "--redis-url", server.url)

    assert done.exit_code == 1
    assert "No gateway answered" in done.stderr


def test_where_nobody_answers_the_way_without_the_store_is_said(
    relay: Relay, server: Server
) -> None:
    """And why that may be; programs are given an empty list."""
    done = relay("reload", "--redis-url", server.url, "--json")

    assert (done.exit_code, done.stdout) == (1, "[]\n")
    assert "SIGHUP" in done.stderr
    assert "embed the relay" in done.stderr


def test_a_store_that_is_away_is_said(relay: Relay) -> None:
    """As by every command."""
    done = relay("reload", "--redis-url", "redis://127.0.0.1:1/0")

    assert done.exit_code == 1
    assert "Redis cannot be reached" in done.stderr
