"""``relay streams`` and ``relay check`` say how full the streams are, and which caps are faulty."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.making import make_identified
from tests.relay.commands.conftest import Relay
from tests.relay.commands.test_looking import put
from tests.servers import Server

pytestmark = pytest.mark.redis

ENVIRON = {"UNIPILE_WEBHOOK_SECRET": "s3cret"}
ENDPOINT = """
[endpoints.unipile]
provider = "unipile"
secrets = [{ env = "UNIPILE_WEBHOOK_SECRET" }]
"""


def configure(directory: Path, caps: str, rate: float = 1.0) -> None:
    """Write a file with some caps, for an endpoint with an expected rate."""
    (directory / "relay.toml").write_text(f"{caps}{ENDPOINT}events_per_second = {rate}\n")


def findings(relay: Relay, server: Server) -> list[tuple[str, str]]:
    """Give what ``relay check`` says of caps."""
    done = relay("check", "--json", REDIS_URL=server.url, **ENVIRON)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return [(row["state"], row["found"]) for row in rows if row["what"] == "stream caps"]


def test_a_stream_is_shown_with_its_cap_and_how_full_it_is(
    relay: Relay, server: Server, tmp_path: Path
) -> None:
    """By the number that MEMORY USAGE gives, and the cap that the most specific pattern means."""
    caps = '[caps."*:*"]\nmax_bytes = 10_000\n[caps."unipile:message.*"]\nmax_entries = 4\n'
    configure(tmp_path, caps + 'on_full = "drop_oldest"\nmax_bytes = 0\n')
    put(server, *(make_identified(str(number)) for number in range(3)))
    put(server, make_identified("9", "email.new"))
    with server.client() as client:
        size: Any = client.memory_usage("relay:{unipile}:email.new")
    email, message = json.loads(relay("streams", "--json", REDIS_URL=server.url).stdout)
    shown = relay("streams", REDIS_URL=server.url, COLUMNS="300").stdout

    assert (email["bytes"], email["max_bytes"], email["on_full"]) == (size, 10_000, "reject")
    assert email["full"] == pytest.approx(size / 10_000, abs=0.0001)
    assert (message["max_entries"], message["max_bytes"], message["full"]) == (4, None, 0.75)
    assert "4 entries: drop_oldest" in shown
    assert "75%" in shown


def test_without_configuration_a_stream_may_have_a_quarter(relay: Relay, server: Server) -> None:
    """Of what the store may use."""
    put(server, make_identified("1"))
    with server.client() as client:
        client.config_set("maxmemory", 4_000_000_000)
        (row,) = json.loads(relay("streams", "--json", REDIS_URL=server.url).stdout)
        client.config_set("maxmemory", 0)

    assert (row["max_entries"], row["max_bytes"]) == (None, 1_000_000_000)


@pytest.mark.parametrize(
    ("caps", "rate", "warned"),
    [
        ("max_entries = 1000", 100.0, True),
        ("max_entries = 1000", 1.0, False),
        ("max_bytes = 100_000", 10.0, True),
        ("max_entries = 1000\nmax_bytes = 0", 9.9, False),
        ("max_bytes = 0", 1e6, False),
    ],
)
def test_a_cap_that_is_reached_before_trimming_helps_is_told(
    relay: Relay, server: Server, tmp_path: Path, caps: str, rate: float, *, warned: bool
) -> None:
    """What is between 70 % and the cap must hold half a minute at the expected rate."""
    configure(tmp_path, f'[caps."unipile:*"]\n{caps}\n', rate)
    found = findings(relay, server)

    assert [state for state, _ in found] == (["warn"] if warned else [])


def test_streams_near_their_caps_are_named_the_fullest_first(
    relay: Relay, server: Server, tmp_path: Path
) -> None:
    """One that is full and rejects fails; one that drops is a warning."""
    caps = "".join(
        f'[caps."unipile:{name}"]\nmax_entries = {most}\non_full = "{on_full}"\n'
        for name, most, on_full in (
            ("a", 2, "reject"),
            ("b", 3, "drop_oldest"),
            ("c", 4, "reject"),
            ("d", 100, "reject"),
        )
    )
    configure(tmp_path, caps, rate=0.001)
    put(server, *(make_identified(f"{name}{n}", name) for name in "abcd" for n in range(3)))
    found = findings(relay, server)

    assert [(state, text.partition(":")[0] + text[7:14]) for state, text in found] == [
        ("fail", "unipile:a is 1"),
        ("warn", "unipile:b is 1"),
        ("warn", "unipile:c is 7"),
    ]


def test_a_cap_that_is_never_reached_is_told(relay: Relay, server: Server, tmp_path: Path) -> None:
    """Ingress stops for all types before."""
    configure(tmp_path, '[caps."unipile:*"]\nmax_bytes = 9_000_000_000\n')
    put(server, make_identified("1"))
    with server.client() as client:
        client.config_set("maxmemory", 10_000_000_000)
        found = findings(relay, server)
        client.config_set("maxmemory", 0)

    assert len(found) == 1
    assert "never reached" in found[0][1]


def test_a_store_without_pressure_says_which_stream_is_fullest(
    relay: Relay, server: Server
) -> None:
    """So that an operator sees that it was looked at."""
    put(server, make_identified("1"))
    ((state, text),) = findings(relay, server)

    assert (state, text) == ("ok", "unipile:message.new is the fullest, 0%")
