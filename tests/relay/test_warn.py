"""Warnings of a store at risk: each once, and again where another one is met."""

from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError
from structlog.testing import capture_logs

from relay.contract.connect import connect
from relay.warn import Warnings
from tests.clusters import SixNodes
from tests.servers import Server

pytestmark = pytest.mark.redis


async def said_by(warnings: Warnings) -> list[str]:
    """Look once, and give what was warned of."""
    with capture_logs() as captured:
        await warnings.look()
    assert {line["log_level"] for line in captured if line["event"] == "store_at_risk"} <= {
        "warning"
    }
    return [str(line.get("what") or line["command"]) for line in captured]


async def test_each_risk_is_said_once(store: Redis) -> None:
    """What was said is not said again; what comes to be later is."""
    warnings = Warnings(store, 0)
    first, again = await said_by(warnings), await said_by(warnings)
    await store.config_set("maxmemory-policy", "allkeys-lru")
    later = await said_by(warnings)
    await store.config_set("maxmemory-policy", "noeviction")
    mended = await said_by(warnings)
    await store.config_set("maxmemory-policy", "allkeys-lru")
    anew = await said_by(warnings)
    await store.config_set("maxmemory-policy", "noeviction")

    assert first == ["append-only file", "memory"]
    assert again == mended == []
    assert later == anew == ["maxmemory-policy"]


async def test_another_server_is_told_of_anew(own_server: Server) -> None:
    """What stands behind the address after a restart or failover has settings of its own."""
    client = connect(own_server.url, role="test")
    warnings = Warnings(client, 1)
    first = await said_by(warnings)
    own_server.restart()
    await client.connection_pool.disconnect()
    second = await said_by(warnings)
    await client.aclose()

    assert first == second == ["memory", "replicas"]


@pytest.mark.one_server("each server of a cluster is asked over a client of its own")
async def test_a_store_that_lets_nobody_ask_is_not_warned_of(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Managed stores have no CONFIG; that is said once, as information."""

    async def closed(*_: Any, **__: Any) -> None:
        raise NoPermissionError

    monkeypatch.setattr(store, "info", closed)
    monkeypatch.setattr(store, "config_get", closed)
    with capture_logs() as captured:
        await Warnings(store, 0).look()

    assert [(line["event"], line["log_level"], line["command"]) for line in captured] == [
        ("store_not_judged", "info", "INFO"),
        ("store_not_judged", "info", "CONFIG GET"),
    ]


async def test_each_server_of_a_cluster_is_warned_of_by_its_address(
    six: SixNodes, six_store: Redis
) -> None:
    """What one lacks the others may have."""
    one, *others = six.primaries
    for node in others:
        node.ask("CONFIG", "SET", "maxmemory", "1gb")
    with capture_logs() as captured:
        await Warnings(six_store, 0).look()
    for node in others:
        node.ask("CONFIG", "SET", "maxmemory", 0)

    unbounded = [line["found"] for line in captured if line.get("what") == "memory"]
    assert [found.rpartition(": ")[0] for found in unbounded] == [one.address]
