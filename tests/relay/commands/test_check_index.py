"""``relay check`` says what the dedupe index will need, and what would make it larger."""

import json
from pathlib import Path
from typing import Any

import pytest

from relay.commands.check.index import check_index, judge_hashes, judge_share, needed_bytes
from relay.commands.store import Store
from relay.contract.config import FileSettings
from relay.contract.connect import text_of
from relay.endpoints import EndpointSection
from relay.settings import Settings
from tests.fakes import fake_store
from tests.relay.commands.conftest import Relay
from tests.servers import Server

GIB = 1024**3
ENVIRON = {"UNIPILE_WEBHOOK_SECRET": "s3cret"}
FILE = """
[endpoints.unipile]
provider = "unipile"
secrets = [{ env = "UNIPILE_WEBHOOK_SECRET" }]
events_per_second = 100

[endpoints.small]
provider = "unipile"
secrets = [{ env = "UNIPILE_WEBHOOK_SECRET" }]
events_per_second = 0.5
window_seconds = 3600
"""


def section(**changes: Any) -> EndpointSection:
    """Give an endpoint's settings."""
    endpoint = {"provider": "unipile", "secrets": [{"env": "UNIPILE_WEBHOOK_SECRET"}]}
    toml = {"endpoints": {"unipile": endpoint | changes}}
    return Settings.load(ENVIRON, toml).endpoints["unipile"]


def test_what_is_needed_is_rate_by_window() -> None:
    """64 bytes for each event of the window."""
    assert needed_bytes(section()) == 259_200 * 64
    assert needed_bytes(section(events_per_second=0.1, window_seconds=3600)) == 360 * 64


@pytest.mark.redis
@pytest.mark.parametrize(("maxmemory", "state"), [("4gb", "warn"), ("8gb", "ok")])
def test_the_configured_rate_is_compared_with_the_memory(
    relay: Relay, server: Server, tmp_path: Path, maxmemory: str, state: str
) -> None:
    """Each endpoint has its line, and their sum is held against what the server may use."""
    (tmp_path / "relay.toml").write_text(FILE)
    with server.client() as client:
        client.config_set("maxmemory", maxmemory)

    done = relay("check", "--json", REDIS_URL=server.url, **ENVIRON)

    rows = json.loads(done.stdout)
    found = {row["found"]: row["state"] for row in rows if row["what"] == "dedupe index"}
    assert found == {
        "small: 1 MiB at 0.5 events/s (events_per_second) for 1 h": "ok",
        "unipile: 1,583 MiB at 100 events/s (events_per_second) for 72 h": "ok",
    }
    (needed,) = [row for row in rows if row["what"] == "memory needed"]
    assert (needed["state"], needed["found"].startswith("1,583 MiB")) == (state, True)
    assert [row["state"] for row in rows if row["what"] == "short hashes"] == ["ok"]


@pytest.mark.redis
def test_a_server_that_keeps_hashes_long_is_told(relay: Relay, server: Server) -> None:
    """With the command that mends it."""
    with server.client() as client:
        # Redis 6.2 has it under another name.
        held: Any = client.config_get("hash-max-*-entries")
        (name, *_) = sorted(map(text_of, held))
        client.config_set(name, 127)
        try:
            done = relay("check", "--json", REDIS_URL=server.url)
        finally:
            client.config_set(name, 512)

    (row,) = [row for row in json.loads(done.stdout) if row["what"] == "short hashes"]
    assert row["state"] == "warn"
    assert f"CONFIG SET {name} 128" in row["advice"]


@pytest.mark.parametrize(
    ("memory", "state"),
    [
        ({"maxmemory": 4 * GIB, "total_system_memory": GIB}, "ok"),
        ({"maxmemory": 4 * GIB - 4, "total_system_memory": 64 * GIB}, "warn"),
        ({"maxmemory": 0, "total_system_memory": 8 * GIB}, "ok"),
        ({"maxmemory": 0, "total_system_memory": 7 * GIB}, "warn"),
        ({}, "ok"),
    ],
)
def test_a_quarter_is_much(memory: dict[str, int], state: str) -> None:
    """The rest is for the streams; without a bound half the machine's memory counts."""
    assert judge_share(GIB, memory).state == state


@pytest.mark.parametrize(
    ("config", "state"),
    [
        ({"hash-max-listpack-entries": "128", "hash-max-listpack-value": "64"}, "ok"),
        ({"hash-max-ziplist-entries": "512", "hash-max-ziplist-value": "64"}, "ok"),
        ({"hash-max-listpack-entries": "127", "hash-max-listpack-value": "64"}, "warn"),
        ({"hash-max-listpack-entries": "512", "hash-max-listpack-value": "63"}, "warn"),
        ({"hash-max-ziplist-entries": "0", "hash-max-ziplist-value": "64"}, "warn"),
    ],
)
def test_short_hashes(config: dict[str, str], state: str) -> None:
    """Both bounds count, by both names."""
    assert judge_hashes(config).state == state


async def test_nothing_is_needed_without_an_endpoint() -> None:
    """Then there is no rate to compare."""
    store = Store(fake_store(), FileSettings())

    found = await check_index(store, {})
    await store.redis.aclose()

    assert "memory needed" not in {finding.what for finding in found}
