"""Commands over a cluster: what they judge, and what they show of all its servers."""

import asyncio
import json
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.announce import Announcer
from relay.append.spread import SpreadAppender
from relay.commands.check import cluster as judge
from relay.commands.spool import draining
from relay.commands.spool.settings import spool_of
from relay.commands.store import Store, StoreSettings
from relay.contract.address import Host
from relay.contract.cluster import address_of
from relay.contract.cluster.slots import SLOTS, SlotRange
from relay.contract.connect import connect
from relay.contract.keys import Keys
from relay.finding import Finding
from tests.clusters import SixNodes
from tests.making import make_identified
from tests.relay.cluster.load import slot_of, tags_of
from tests.relay.commands.conftest import Relay
from tests.relay.commands.rejecting import FILE, kept, row
from tests.relay.commands.test_check import findings
from tests.relay.commands.test_looking import documents
from tests.relay.commands.test_spool import leave, let_go
from tests.signing import SECRET

A, B, C = Host("a", 1), Host("b", 2), Host("c", 3)


def test_slots_without_a_server_are_a_failure() -> None:
    """Their endpoints get 503."""
    whole = judge.judge_slots([SlotRange(0, 99, A, ()), SlotRange(100, SLOTS - 1, B, ())])
    part = judge.judge_slots([SlotRange(0, 99, A, ())])

    assert (whole.state, part.state) == ("ok", "fail")
    assert part.found.startswith("100 of 16,384 slots on 1 primaries")


def test_a_primary_without_a_replica_is_named() -> None:
    """All ranges of a primary count."""
    ranges = [SlotRange(0, 1, A, (C,)), SlotRange(2, 3, B, ()), SlotRange(4, 5, A, (C,))]

    (found,) = judge.judge_copies(ranges)

    assert (found.state, found.found[:3]) == ("warn", "b:2")
    assert [each.state for each in judge.judge_copies(ranges[:1])] == ["ok"]


@pytest.mark.parametrize(("state", "wanted"), [("ok", "ok"), ("fail", "fail")])
def test_a_server_says_whether_it_takes_commands(state: str, wanted: str) -> None:
    """By CLUSTER INFO."""
    assert judge.judge_state({"cluster_state": state}).state == wanted


@pytest.mark.parametrize(("value", "wanted"), [("yes", "warn"), ("no", "ok")])
def test_one_missing_server_should_not_stop_the_others(value: str, wanted: str) -> None:
    """As it does by default."""
    assert judge.judge_coverage({"cluster-require-full-coverage": value}).state == wanted


@pytest.mark.redis
def test_a_refused_delivery_is_accepted_into_a_cluster(
    relay: Relay, six: SixNodes, tmp_path: Path
) -> None:
    """Its row, its note and its event lie at the server of its endpoint."""
    (wanted,) = kept(six, row())
    (tmp_path / "relay.toml").write_text(FILE.format(url=six.url, more=""))
    listed = relay("rejections", "list", UNIPILE_WEBHOOK_SECRET=SECRET)
    said = relay("rejections", "accept", wanted, UNIPILE_WEBHOOK_SECRET=SECRET)
    again = relay("rejections", "accept", wanted, UNIPILE_WEBHOOK_SECRET=SECRET)

    assert wanted in listed.stdout
    assert "stored" in said.stdout
    assert "accepted before" in again.stdout


@pytest.mark.redis
def test_every_primary_of_a_cluster_is_asked(relay: Relay, six: SixNodes) -> None:
    """One after the other, each by its address."""
    found = findings(relay, six)

    versions = [row["found"] for row in found["rows"] if row["what"] == "version"]
    assert [text.rpartition(": ")[0] for text in versions] == sorted(
        node.address for node in six.primaries
    )
    assert (found["slots"], found["failover"], found["cluster_state"]) == ("ok", "ok", "ok")


@pytest.mark.redis
async def test_a_primary_that_is_away_is_a_failure_of_its_own(
    six: SixNodes, six_store: Redis
) -> None:
    """The others are judged all the same."""
    away, *others = six.primaries

    async def ask(store: Store) -> list[Finding]:
        if str(address_of(store.redis)) == away.address:
            raise RedisConnectionError
        return [Finding("ok", "asked", "")]

    found = await judge.check_servers(Store(six_store, StoreSettings()), ask)

    assert {each.found for each in found if each.what == "asked"} == {
        f"{node.address}: " for node in others
    }
    assert [each.found for each in found if each.state == "fail"] == [
        f"{away.address} does not answer"
    ]


@pytest.mark.redis
def test_a_url_of_a_single_server_fails_at_a_cluster(relay: Relay, six: SixNodes) -> None:
    """The advice is the URL's form."""
    tags_key = Keys().tags
    other = next(node for node in six.primaries if node is not six.owner(six.slot_of(tags_key)))

    checked = relay("check", REDIS_URL=other.own_url)
    shown = relay("streams", REDIS_URL=other.own_url)

    assert (checked.exit_code, shown.exit_code) == (1, 2)
    assert "redis+cluster://" in checked.stdout
    assert "redis+cluster://" in shown.stderr


@pytest.mark.redis
def test_streams_of_all_servers_are_shown_and_followed(relay: Relay, six: SixNodes) -> None:
    """Nothing of one command is lost for lying elsewhere."""
    tags = tags_of(six)
    asyncio.run(_put(six.url, tags))

    streams = json.loads(relay("streams", "--json", REDIS_URL=six.url).stdout)
    tail = relay("tail", "--json", "--from", "0", "--count", "6", REDIS_URL=six.url)

    assert [row["tag"] for row in streams] == sorted(tags)
    assert {row["entries"] for row in streams} == {1}
    assert sorted(document["tag"] for document in documents(tail.stdout)) == sorted(tags)


@pytest.mark.redis
def test_books_are_mended_on_all_servers(relay: Relay, six: SixNodes) -> None:
    """Every server is looked through for streams that the books have lost."""
    tags = tags_of(six)
    asyncio.run(_put(six.url, tags))
    for tag in tags:
        six.owner(slot_of(tag)).ask("DEL", Keys().streams(tag))

    found = findings(relay, six, "--repair")
    streams = json.loads(relay("streams", "--json", REDIS_URL=six.url).stdout)

    assert [row["what"] for row in found["rows"] if row["state"] == "mended"] == ["streams"] * 6
    assert len(streams) == 6


@pytest.mark.redis
def test_what_dead_gateways_left_is_drained_to_all_servers(
    relay: Relay, six: SixNodes, tmp_path: Path
) -> None:
    """Each event goes to the server that has its tag."""
    tags = tags_of(six)
    let_go(leave(tmp_path, *((tag, "message.new") for tag in tags)))

    done = relay("spool", "drain", "--spool-dir", str(tmp_path), "--redis-url", six.url)
    streams = json.loads(relay("streams", "--json", REDIS_URL=six.url).stdout)

    assert f"{len(tags)} events drained, 0 left" in done.stdout
    assert [row["tag"] for row in streams] == sorted(tags)


@pytest.mark.redis
async def test_what_was_drained_is_told_though_a_server_is_away(
    six: SixNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be made known is left to the next gateway, and not waited for."""

    async def hang(_: Announcer) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(draining, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(Announcer, "refresh", hang)
    let_go(leave(tmp_path, *((tag, "message.new") for tag in tags_of(six))))
    directory, settings = spool_of({}, tmp_path, six.url)
    told: list[str] = []
    draining_all = draining.drain_orphans(directory, settings, told.append)
    is_empty = await asyncio.wait_for(draining_all, 20)

    assert (is_empty, told[-1]) == (True, "6 events drained, 0 left")


async def _put(url: str, tags: list[str]) -> None:
    """Append an event to each tag as a gateway would, and announce the tags."""
    redis = connect(url, role="test")
    appender = SpreadAppender(redis, Keys())
    for tag in tags:
        await appender.append(make_identified("evt_1", tag=tag))
    await appender.stop()
    await redis.sadd(Keys().tags, *tags)
    await redis.aclose()
