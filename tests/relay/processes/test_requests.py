"""Requests over the store are heard, once each, by whoever runs when they are made."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from relay.contract.control import tell_of_pauses
from relay.contract.keys import Keys
from relay.contract.reload import (
    ReloadAnswer,
    ReloadRequest,
    answer_reload,
    ask_for_reload,
    read_answer,
    read_request,
)
from relay.processes import requests
from relay.processes.requests import Asked, Requests
from tests.conftest import StartServer
from tests.servers import Server
from tests.waiting import wait_until

KEYS = Keys()


class Heard:
    """A gateway that listens, and what it has heard."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.requests = Requests(self.asked.append)

    @property
    def names(self) -> list[str]:
        """Say which requests came, in their order."""
        return [asked.request for asked in self.asked]

    async def listen_at(self, server: Server, keys: Keys = KEYS) -> None:
        """Listen there, and return when it does."""
        before = listeners(server)
        await self.requests.listen_at(server.url, keys)
        await wait_until(lambda: listeners(server) > before, description="it listens")

    async def until(self, *names: str) -> None:
        """Wait until these and no others have come."""
        await wait_until(lambda: len(self.asked) >= len(names), description="they have come")
        assert self.names == list(names)


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    """One that does not listen yet."""
    made = Heard()
    yield made
    await made.requests.stop()


def listeners(server: Server) -> int:
    """Count the connections that wait for news."""
    with server.client() as client:
        rows: Any = client.client_list()
    return sum(row["cmd"] == "xread" and row["name"].startswith("relay:reload") for row in rows)


def times_refused(client: Any) -> int:
    """Say how often a user was refused a command, as the server remembers it."""
    return sum(int(entry["count"]) for entry in client.acl_log())


async def ask(store: Redis, name: str, seconds: float = 60.0, keys: Keys = KEYS) -> None:
    """Ask for a reload."""
    await ask_for_reload(store, keys, ReloadRequest(name, seconds))


async def answers(store: Redis, keys: Keys = KEYS) -> list[ReloadAnswer]:
    """Give all answers that stand on the control stream."""
    raw: Any = await store.xrange(keys.control)
    read = [read_answer(fields) for _, fields in raw]
    return [answer for answer in read if answer is not None]


@pytest.mark.redis
async def test_a_request_is_answered_at_once_and_when_it_is_done(
    server: Server, store: Redis, heard: Heard
) -> None:
    """Both times with the same name of the gateway, and to who asked."""
    await tell_of_pauses(store, KEYS, "crm")
    await heard.listen_at(server)
    await ask(store, "a")
    await heard.until("a")
    await heard.asked[0].answer("refused", ("colour: there is no such setting",))
    first, second = await answers(store)

    assert [first.outcome, second.outcome] == ["begun", "refused"]
    assert second.faults == ("colour: there is no such setting",)
    assert {first.request, second.request} == {"a"}
    assert (first.gateway, first.host, first.pid) == (second.gateway, second.host, second.pid)


@pytest.mark.redis
async def test_what_was_asked_before_the_start_is_not_heard(
    server: Server, store: Redis, heard: Heard
) -> None:
    """Though it would still count: whoever starts has read its configuration just now."""
    await ask(store, "early")
    await heard.listen_at(server)
    await ask(store, "late")

    await heard.until("late")


@pytest.mark.redis
async def test_other_news_are_passed_over(server: Server, store: Redis, heard: Heard) -> None:
    """Those of today, answers, and whatever somebody else has written there."""
    await heard.listen_at(server)
    await tell_of_pauses(store, KEYS, "crm")
    await answer_reload(store, KEYS, ReloadAnswer("a", "b", "host", 1, "begun"))
    for odd in (
        {"what": "reload"},
        {"what": "reload", "request": "x", "seconds": "soon"},
        {"": ""},
    ):
        await store.xadd(KEYS.control, odd)  # type: ignore[arg-type]
    await ask(store, "a")

    await heard.until("a")


@pytest.mark.redis
async def test_a_request_that_has_run_out_is_not_acted_on(
    server: Server, store: Redis, heard: Heard
) -> None:
    """Whoever asked has been told that nobody hears; what still counts over an outage does."""
    await heard.listen_at(server)
    seconds, _ = await store.time()
    for number, (name, counts_for) in enumerate([("a", "1"), ("b", "60")], start=1):
        entry_id = f"{1000 * (seconds - 5)}-{number}"
        told = {"what": "reload", "request": name, "seconds": counts_for}
        await store.xadd(KEYS.control, told, id=entry_id)  # type: ignore[arg-type]

    await heard.until("b")


@pytest.mark.redis
async def test_a_lost_connection_costs_no_request(
    server: Server, store: Redis, heard: Heard
) -> None:
    """What came meanwhile is read over the next one."""
    await heard.listen_at(server)
    with server.client() as client, capture_logs():
        pipeline = client.pipeline(transaction=True)
        pipeline.client_kill_filter(_type="normal", skipme=True)
        pipeline.xadd(KEYS.control, {"what": "reload", "request": "a", "seconds": "60"})
        pipeline.execute()
        await heard.until("a")


@pytest.mark.redis
async def test_a_changed_prefix_or_store_is_listened_at(
    server: Server, store: Redis, heard: Heard
) -> None:
    """And the former no more; an answer goes where it was asked."""
    other = Keys("other")
    await heard.listen_at(server)
    await ask(store, "a")
    await heard.until("a")
    await heard.requests.listen_at(server.url, other)
    await wait_until(lambda: listeners(server) == 1, description="it listens there")
    await ask(store, "b")
    await ask(store, "c", keys=other)
    await heard.until("a", "c")
    await heard.asked[0].answer("taken_over")

    assert [answer.outcome for answer in await answers(store)] == ["begun", "taken_over"]
    assert [answer.request for answer in await answers(store, other)] == ["c"]
    await store.delete(other.control)


@pytest.mark.redis
@pytest.mark.one_server("a user's rights are those of one server")
async def test_a_user_who_may_not_listen_is_said_once(
    start_server: StartServer, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And as soon as it may, requests are heard."""
    monkeypatch.setattr(requests, "REFUSED_SECONDS", 0.02)
    server = start_server("valkey", "always")
    with server.client() as client, capture_logs() as logs:
        client.execute_command("ACL SETUSER default -xread")
        await heard.requests.listen_at(server.url, KEYS)
        await wait_until(lambda: times_refused(client) > 1, description="it is refused again")
        client.execute_command("ACL SETUSER default +xread")
        await wait_until(lambda: listeners(server) == 1, description="it listens")
        client.xadd(KEYS.control, {"what": "reload", "request": "a", "seconds": "60"})
        await heard.until("a")

    assert [(line["event"], line["error"]) for line in logs] == [
        ("reloads_unheard", "NoPermissionError")
    ]


@pytest.mark.redis
@pytest.mark.one_server("a server's role is its own")
async def test_a_server_that_changes_its_role_is_listened_at_again_soon(
    start_server: StartServer, heard: Heard
) -> None:
    """It refuses what waits as it becomes a replica; that is no refusal of the user."""
    server = start_server("valkey", "always")
    with server.client() as client, capture_logs() as logs:
        await heard.listen_at(server)
        client.replicaof("127.0.0.1", "1")
        await wait_until(lambda: listeners(server) == 0, description="it is refused")
        client.replicaof("no", "one")
        await wait_until(lambda: listeners(server) == 1, description="it listens again")
        client.xadd(KEYS.control, {"what": "reload", "request": "a", "seconds": "60"})
        await heard.until("a")

    assert logs == []


async def test_a_store_that_is_away_ends_nothing(heard: Heard) -> None:
    """It is waited for, and an answer that cannot be given is said."""
    with capture_logs() as logs:
        await heard.requests.listen_at("redis://127.0.0.1:1/0", KEYS)
        await wait_until(lambda: bool(logs), description="it waits")
        place = requests.Place("redis://127.0.0.1:1/0", KEYS)
        await Asked("a", "b", place).answer("taken_over")

    assert [line["event"] for line in logs] == ["duty_waits_for_store", "reload_unanswered"]


@pytest.mark.redis
async def test_an_answer_has_bounds(server: Server, store: Redis) -> None:
    """Whatever there is to say; the log has all of it."""
    faults = tuple("x" * 10_000 for _ in range(1000))
    await answer_reload(store, KEYS, ReloadAnswer("a", "b", "h" * 1000, 1, "refused", faults))
    [answer] = await answers(store)

    assert len(answer.faults) == 21
    assert answer.faults[-1] == "and 980 more; see the gateway's log"
    assert len("".join(answer.faults)) < 5000
    assert len(answer.host) < 100


@pytest.mark.parametrize(
    "change",
    [
        {b"outcome": b"\x1b[2J"},
        {b"pid": b"many"},
        {b"faults": b"["},
        {b"faults": b"7"},
        {b"what": b"stream"},
        {b"what": b"\xff"},
    ],
)
def test_what_is_no_answer_is_read_as_none(change: dict[bytes, bytes]) -> None:
    """Anything may stand on the stream."""
    good = {b"what": b"reload-answer", b"request": b"a", b"gateway": b"b", b"host": b"h"}
    good |= {b"pid": b"1", b"outcome": b"begun", b"faults": b"[]"}

    assert read_answer(good) is not None
    assert read_answer(good | change) is None
    assert read_request(good | change) is None
