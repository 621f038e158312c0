"""``relay check`` finds what is wrong with a server and mends the books."""

import json
from pathlib import Path
from typing import Any

import pytest

from relay import judge
from relay.commands.check import server as ask
from tests.clusters import SixNodes
from tests.conftest import StartServer
from tests.making import make_identified
from tests.relay.commands.conftest import Relay
from tests.relay.commands.test_looking import put
from tests.servers import NAMES, Server, wait_until_sync

SECRET = "s3cret"
STREAM = "relay:{unipile}:message.new"


def findings(
    relay: Relay, server: Server | SixNodes, *arguments: str, **variables: str
) -> dict[str, Any]:
    """Run it, and give the state of each thing that was looked at, and the exit code."""
    done = relay("check", "--json", *arguments, REDIS_URL=server.url, **variables)
    rows = json.loads(done.stdout)
    return {row["what"]: row["state"] for row in rows} | {"exit": done.exit_code, "rows": rows}


@pytest.mark.one_server("a cluster of one server is warned of")
@pytest.mark.redis
def test_a_durable_server_is_fine(relay: Relay, own_server: Server) -> None:
    """With the recommended settings there is nothing to say."""
    with own_server.client() as client:
        client.config_set("maxmemory", "1gb")

    found = findings(relay, own_server, UNIPILE_WEBHOOK_SECRET=SECRET)

    assert found["exit"] == 0
    assert {row["state"] for row in found["rows"]} == {"ok", "warn"}
    # The gateway has not announced its tag yet.
    assert [row["what"] for row in found["rows"] if row["state"] == "warn"] == ["tags"]


@pytest.mark.redis
def test_a_forgetful_server_is_told(relay: Relay, server: Server) -> None:
    """Each weakness has its line, with the command that mends it."""
    with server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            found = findings(relay, server)
        finally:
            client.config_set("maxmemory-policy", "noeviction")

    assert found["exit"] == 1
    assert found["append-only file"] == "warn"
    assert found["memory"] == "warn"
    assert found["maxmemory-policy"] == "fail"
    advice = {row["what"]: row["advice"] for row in found["rows"]}
    assert advice["append-only file"].startswith("CONFIG SET appendonly yes")
    assert advice["maxmemory-policy"].startswith("CONFIG SET maxmemory-policy noeviction")


@pytest.mark.one_server("REPLICAOF is not allowed in cluster mode")
@pytest.mark.redis
def test_a_replica_is_refused(relay: Relay, own_server: Server, server: Server) -> None:
    """Events cannot be written to it."""
    with own_server.client() as client:
        client.replicaof("127.0.0.1", server.port)

        found = findings(relay, own_server)
        client.replicaof("NO", "ONE")

    assert (found["exit"], found["role"]) == (1, "fail")


@pytest.mark.redis
def test_a_user_who_may_not_ask(relay: Relay, server: Server) -> None:
    """What INFO and CONFIG would have said stays open, and nothing crashes."""
    with server.client() as client:
        client.acl_setuser(
            "shy",
            enabled=True,
            passwords=[f"+{SECRET}"],
            keys=["*"],
            commands=["+@all", "-info", "-config"],
        )
        url = server.url.replace("://", f"://shy:{SECRET}@")
        done = relay("check", "--json", REDIS_URL=url)
        client.acl_deluser("shy")

    states = {row["what"]: row["state"] for row in json.loads(done.stdout)}
    assert done.exit_code == 0
    assert (states["INFO"], states["CONFIG GET"]) == ("warn", "warn")
    assert SECRET not in done.stdout


@pytest.mark.redis
def test_repair_puts_the_books_back(relay: Relay, server: Server, tmp_path: Path) -> None:
    """Tags, streams and configured groups that are gone are made again, once."""
    (tmp_path / "relay.toml").write_text('[groups]\ncrm = ["unipile:message.*"]\n')
    put(server, make_identified("1"), make_identified("2"), make_identified("3", "email.new"))
    with server.client() as client:
        first: Any = client.xinfo_stream(STREAM)["first-entry"]
        client.delete("relay:@tags")
        client.hdel("relay:{unipile}@streams", "message.new")
        client.xadd("relay:{unipile}@dead:crm", {"not": "a stream of events"})
        client.xadd("other:{unipile}:message.new", {"not": "ours"})
        client.xadd("relay:{UPPER}:message.new", {"not": "a name"})

        found = findings(relay, server, "--repair")
        again = findings(relay, server, "--repair")

        assert found["exit"] == 0
        assert [row["what"] for row in found["rows"] if row["state"] == "mended"] == [
            "tags",
            "streams",
            "groups",
        ]
        assert again["books"] == "ok"
        assert client.smembers("relay:@tags") == {b"unipile"}
        # The number of no other type; the first entry that is still there.
        assert client.hgetall("relay:{unipile}@streams") == {
            b"email.new": client.hget("relay:{unipile}@streams", "email.new"),
            b"message.new": b"3 " + first[0],
        }
        assert client.xinfo_groups(STREAM)[0]["last-delivered-id"] == b"0-0"
        assert client.xinfo_groups("relay:{unipile}:email.new") == []
        client.delete("other:{unipile}:message.new")
        client.delete("relay:{UPPER}:message.new")


@pytest.mark.redis
def test_a_mended_stream_takes_events_again(relay: Relay, server: Server) -> None:
    """After a repair known events are duplicates, as before."""
    put(server, make_identified("1"))
    with server.client() as client:
        client.hdel("relay:{unipile}@streams", "message.new")
        findings(relay, server, "--repair")
        put(server, make_identified("1"), make_identified("2"))

        assert client.xlen(STREAM) == 2


@pytest.mark.redis
def test_a_missing_group_is_told_without_mending(
    relay: Relay, server: Server, tmp_path: Path
) -> None:
    """Without --repair nothing is written."""
    (tmp_path / "relay.toml").write_text('[groups]\ncrm = ["*:*"]\n')
    put(server, make_identified("1"))

    found = findings(relay, server)

    assert (found["exit"], found["groups"]) == (0, "warn")
    with server.client() as client:
        assert client.xinfo_groups(STREAM) == []


def test_faults_of_the_configuration_are_findings(relay: Relay, tmp_path: Path) -> None:
    """A store that is away does not hide them, nor they it."""
    (tmp_path / "relay.toml").write_text("colour = 1")

    done = relay("check", "--json", REDIS_URL="redis://127.0.0.1:1")

    assert done.exit_code == 1
    rows = json.loads(done.stdout)
    assert [row["what"] for row in rows] == ["configuration", "Redis"]
    assert "colour" in rows[0]["found"]


def test_people_get_a_table(relay: Relay) -> None:
    """The sum stands below it."""
    done = relay("check", REDIS_URL="redis://127.0.0.1:1")

    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "1 failed, 1 to look at"


@pytest.mark.parametrize(
    ("info", "state"),
    [
        ({"redis_version": "6.0.16"}, "fail"),
        ({"redis_version": "6.2.0"}, "ok"),
        ({"redis_version": "8.2.3"}, "ok"),
        ({"redis_version": "7.2.4", "valkey_version": "9.0.0"}, "warn"),
        ({"redis_version": "7.2.4", "valkey_version": "9.0.1"}, "warn"),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, "ok"),
        ({}, "fail"),
    ],
)
def test_versions(info: dict[str, str], state: str) -> None:
    """Valkey's own number counts, and the releases that lose writes are named."""
    assert judge.judge_version(info).state == state


@pytest.mark.parametrize(
    ("used", "bound", "state"),
    [(10, 0, "warn"), (69, 100, "ok"), (70, 100, "warn"), (84, 100, "warn"), (85, 100, "fail")],
)
def test_memory(used: int, bound: int, state: str) -> None:
    """From 85 % on the gateway refuses events."""
    assert judge.judge_memory({"used_memory": used, "maxmemory": bound}).state == state


def test_a_disk_elsewhere_is_not_judged(tmp_path: Path) -> None:
    """The directory of another machine's server may exist here too."""
    config = {"dir": str(tmp_path)}

    assert ask.judge_disk("redis://db.internal:6379", config, {}) is None
    here = ask.judge_disk("redis://localhost:6379", config, {})
    assert here is not None
    assert here.what == "disk"


@pytest.mark.parametrize(("apart_seconds", "state"), [(0.0, "ok"), (-3.0, "warn"), (3.0, "warn")])
def test_clocks(apart_seconds: float, state: str) -> None:
    """Two seconds are the limit, both ways."""
    assert ask.judge_clock(1000.0, 1000.0 + apart_seconds).state == state


def test_failed_writes_are_told() -> None:
    """The server's own trouble with its disk is a failure."""
    states = [f.state for f in judge.judge_writes({"aof_last_write_status": "err"})]

    assert states == ["fail"]


@pytest.mark.redis
@pytest.mark.parametrize("arguments", [[], ["--repair"]])
def test_what_something_else_has_written_is_named_and_the_rest_looked_at(
    relay: Relay, server: Server, arguments: list[str]
) -> None:
    """A registry of one tag does not keep another's from being judged and mended."""
    put(server, make_identified("evt_1"), make_identified("evt_2", tag="github"))
    with server.client() as client:
        client.delete("relay:{github}@streams")
        client.set("relay:{github}@streams", "mine", px=60_000)
        client.hdel("relay:{unipile}@streams", "message.new")
        found = findings(relay, server, *arguments)
        kept, types = client.get("relay:{github}@streams"), client.hkeys("relay:{unipile}@streams")

    (row,) = [row for row in found["rows"] if row["what"] == "books" and row["state"] == "fail"]
    assert found["exit"] == 1
    assert row["found"].startswith(
        "relay:{github}@streams is a string, where the relay keeps a hash"
    )
    assert "Rename it or delete it" in row["advice"]
    assert kept == b"mine"
    assert types == ([b"message.new"] if arguments else [])


@pytest.mark.redis
@pytest.mark.parametrize("arguments", [[], ["--repair"]])
def test_tags_that_something_else_stands_for_are_named(
    relay: Relay, server: Server, arguments: list[str]
) -> None:
    """What was found of the server stands beside it."""
    with server.client() as client:
        client.set("relay:@tags", "mine", px=60_000)
        found = findings(relay, server, *arguments)

    assert found["books"] == "fail"
    assert found["rows"][-1]["found"].startswith("relay:@tags is a string")
    assert found["maxmemory-policy"] == "ok"


@pytest.mark.one_server("REPLICAOF is not allowed in cluster mode")
@pytest.mark.redis
@pytest.mark.parametrize("name", NAMES)
def test_replicas_that_durability_needs_are_looked_for(
    relay: Relay, start_server: StartServer, name: str
) -> None:
    """Without them every delivery would get 503, so that fails; with them it is fine."""
    wanting = {"RELAY_DURABILITY": "replicated:1", "UNIPILE_WEBHOOK_SECRET": SECRET}
    primary, replica = start_server(name), start_server(name)
    alone = findings(relay, primary, **wanting)
    with primary.client() as client, replica.client() as other:
        client.config_set("repl-diskless-sync-delay", 0)
        other.replicaof("127.0.0.1", primary.port)
        wait_until_sync(
            lambda: client.info("replication").get("slave0", {}).get("state") == "online",
            description="the replica follows",
        )
        followed = findings(relay, primary, **wanting)
        local = findings(relay, primary, UNIPILE_WEBHOOK_SECRET=SECRET)

    assert (alone["exit"], alone["replicas"]) == (1, "fail")
    assert (followed["exit"], followed["replicas"]) == (0, "ok")
    assert (local["exit"], local["replicas"]) == (0, "warn")
