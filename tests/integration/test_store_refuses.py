"""A store that is there and refuses: what senders are told, and that all is well when it ends."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.integration.gateways import Running, body_of, running, until_status
from tests.integration.trouble import TROUBLES, Trouble, refusal_of
from tests.proxy import proxy_to
from tests.replicas import ReplicaSet
from tests.servers import NAMES, Server, free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.redis
QUICK = {"append_deadline_seconds": 0.5}


@pytest.fixture(autouse=True)
def only_the_store_says_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every event reach the store."""
    monkeypatch.setattr("relay.capacity.STOP_RATIO", 10.0**12)


async def deliver(gateway: Running, event_id: str) -> None:
    """Send an event again until it is accepted, as a sender would."""

    async def accepted() -> bool:
        return (await gateway.send(body_of(event_id))).status == 200

    await wait_until(accepted, deadline_seconds=5, description=f"{event_id} is accepted")


async def stored_ids(gateway: Running) -> list[str]:
    """Give the ids of what is in the stream."""
    return [event.id for event in (await gateway.events()).values()]


def on_a_cluster_too(trouble: Trouble) -> Any:
    """Leave out there what makes a server a replica, and what is met at the question for slots."""
    reasons = dict.fromkeys(
        ("READONLY", "MASTERDOWN"), "REPLICAOF is not allowed in cluster mode"
    ) | {"LOADING": "who loads says nothing of its slots, so nothing else is asked of it"}
    reason = reasons.get(trouble.word)
    marks = [pytest.mark.one_server(reason)] if reason else []
    return pytest.param(trouble, marks=marks, id=str(trouble))


@pytest.mark.parametrize("trouble", [on_a_cluster_too(trouble) for trouble in TROUBLES])
async def test_what_the_store_refuses_gets_503_until_it_takes_it(
    own_server: Server, trouble: Trouble
) -> None:
    """With ``Retry-After``; the retry is stored once, and nobody has to restart anything."""

    async def refuses() -> bool:
        return trouble.word in await asyncio.to_thread(refusal_of, own_server)

    async with running(own_server, QUICK) as gateway:
        await deliver(gateway, "evt_0")
        await asyncio.to_thread(trouble.begin, own_server)
        await wait_until(refuses, description=f"the store says {trouble}")
        refused = await gateway.send(body_of("evt_1"))
        ready, _ = await gateway.ask("/readyz")
        still = await refuses()

        await asyncio.to_thread(trouble.end, own_server)
        await deliver(gateway, "evt_1")
        await until_status(gateway, "/readyz", 200)
        ids = await stored_ids(gateway)

    assert still
    assert (refused.status, ready) == (503, 503)
    assert int(refused.headers["retry-after"]) > 0
    assert refused.content_type == "application/problem+json"
    assert ids == ["evt_0", "evt_1"]


@pytest.mark.one_server("it is one without slots")
@pytest.mark.parametrize("name", NAMES)
async def test_a_cluster_without_its_slots_is_waited_for(
    start_server: StartServer, name: str
) -> None:
    """CLUSTERDOWN, as long as nobody serves the key; then stored, without a restart."""
    # Redis 6.2 takes a port 10,000 above its own, which may be anybody's.
    bus = {} if name == "redis62" else {"cluster-port": str(free_port())}
    server = start_server(name, "none", {"cluster-enabled": "yes"} | bus)
    async with running(server, QUICK) as gateway:
        refused = await gateway.send(body_of("evt_1"))
        said = await asyncio.to_thread(refusal_of, server)
        with server.client() as client:
            client.execute_command("CLUSTER ADDSLOTS", *range(16_384))
        await deliver(gateway, "evt_1")
        ids = await stored_ids(gateway)

    assert "CLUSTERDOWN" in said
    assert refused.status == 503
    assert ids == ["evt_1"]


async def test_a_half_open_connection_is_given_up(own_server: Server) -> None:
    """Where nothing breaks and nothing comes, 503 within the deadline, and a new connection."""
    async with (
        proxy_to(own_server.port) as link,
        running(own_server, {"redis": {"url": link.url}} | QUICK) as gateway,
    ):
        await deliver(gateway, "evt_0")
        link.swallow()
        refused = [(await gateway.send(body_of(f"evt_{n}"))).status for n in (1, 2)]
        link.heal()
        await deliver(gateway, "evt_1")
        await deliver(gateway, "evt_2")
        ids = await stored_ids(gateway)

    assert refused == [503, 503]
    assert ids == ["evt_0", "evt_1", "evt_2"]


@pytest.mark.one_server("REPLICAOF is not allowed in cluster mode")
async def test_another_primary_behind_the_same_address_is_found(
    replica_set: ReplicaSet,
) -> None:
    """The former one refuses as a replica does, and its connections, which stand, are left."""
    stream = "relay:{unipile}:message.new"
    async with running(replica_set.primary, {"redis": {"url": replica_set.front.url}}) as gateway:
        await deliver(gateway, "evt_0")
        heir = replica_set.replicas[0]
        await wait_until(
            lambda: asyncio.to_thread(lambda: len(heir.entries(stream)) == 1),
            description="it has what the primary has",
        )
        await replica_set.promote(heir)
        with replica_set.primary.client() as client:
            client.replicaof("127.0.0.1", heir.port)
        await deliver(gateway, "evt_1")
        await until_status(gateway, "/readyz", 200)
        stored = await asyncio.to_thread(heir.entries, stream)

    assert [fields[b"id"] for _, fields in stored] == [b"evt_0", b"evt_1"]


@pytest.fixture
def documented_url(server: Server) -> Iterator[str]:
    """The URL of a user that may do what the page says, but for what it says to be no need."""
    text = (Path(__file__).parents[2] / "docs/how-to/connect-to-redis.md").read_text("utf-8")
    rules = re.search(r"ACL SETUSER relay-gateway on >PASSWORD (.+)", text)
    assert rules is not None
    needed = set(rules[1].split()) - {"+@connection", "+client|setname", "+config|get"}
    # What forbids everything comes first.
    words = ["-@all", "+ping", *sorted(needed - {"-@all", "-@dangerous"})]
    if "cluster" in server.url:
        further = re.search(r"Over a cluster each of them needs `(\S+)`", text)
        assert further is not None
        words += [further[1], "+asking"]
    with server.client() as client:
        client.acl_log_reset()
        client.execute_command("ACL SETUSER", "gateway", "reset", "on", ">pw", *words)
        yield server.url.replace("://", "://gateway:pw@")
        client.acl_deluser("gateway")


async def test_a_user_with_no_more_than_is_documented_is_served(
    server: Server, documented_url: str
) -> None:
    """Without CLIENT and CONFIG a connection has no name and less is known; that is all."""
    toml: dict[str, Any] = {"redis": {"url": documented_url}, "groups": {"crm": ["unipile:*"]}}
    async with running(server, toml) as gateway:
        first = await gateway.send(body_of("evt_1"))
        again = await gateway.send(body_of("evt_1"))
        await until_status(gateway, "/readyz", 200)

        async def has_group() -> bool:
            groups: Any = await gateway.store.xinfo_groups("relay:{unipile}:message.new")
            return len(groups) == 1

        await wait_until(has_group, description="the configured group is there")
    with server.client() as client:
        log: Any = client.acl_log()

    assert (first.status, again.status) == (200, 200)
    assert await again.json() == {"received": True, "duplicate": True}
    denied = {line["object"].partition("|")[0] for line in log if line["username"] == "gateway"}
    assert denied == {"client", "config"}
