"""Which server is gone to, where sentinels know it."""

import asyncio
import gc
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from relay.contract import following as following_module
from relay.contract.address import Host, read_address, write_address
from relay.contract.connect import connect
from relay.contract.connect_sync import connect_sync
from relay.contract.following import FollowingPool
from relay.contract.sentinels import NoPrimary, Sentinels, read_primary
from relay.contract.wire import Wire
from tests.sentinels import SERVICE, Watched
from tests.servers import NAMES, Server, find_binary, free_port
from tests.test_docs import page
from tests.waiting import wait_until

PASSWORD = "hunter2 %/@:"


@pytest.fixture(scope="module", params=NAMES)
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """A primary and a replica under three sentinels that ask for a password."""
    binary = find_binary(request.param)
    if binary is None:
        pytest.skip(f"this machine has no {request.param} server")
    servers = Watched(binary, tmp_path_factory.mktemp("watched"), PASSWORD)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Redis]:
    """Have a client within the block."""
    client = connect(url, role="test")
    try:
        yield client
    finally:
        await client.aclose()


async def port_of(client: Redis) -> int:
    """Ask a server for its port."""
    return int((await client.info("server"))["tcp_port"])


# --- the sentinels' word


@pytest.mark.redis
async def test_a_connection_is_to_the_server_that_the_sentinels_name(watched: Watched) -> None:
    """Whoever else is known."""
    async with client_of(watched.url) as client:
        assert await port_of(client) == watched.named_port()


@pytest.mark.redis
async def test_a_client_that_stays_follows_the_primary(watched: Watched) -> None:
    """Neither its owner nor its URL says anything new."""
    async with client_of(watched.url) as client:
        before = await port_of(client)
        await asyncio.to_thread(watched.fail_over)

        async def writes_elsewhere() -> bool:
            try:
                await client.set("key", "value", px=60_000)
            except Exception:  # noqa: BLE001 - while it moves, anything
                return False
            return await port_of(client) != before

        await wait_until(writes_elsewhere, description="writes go to the new primary")


@pytest.mark.redis
async def test_a_thread_follows_the_primary_too(watched: Watched) -> None:
    """The heartbeat's."""
    told: list[int] = []
    client = connect_sync(watched.url, timeout_seconds=2.0, on_connect=lambda: told.append(1))
    before = client.info("server")["tcp_port"]
    await asyncio.to_thread(watched.fail_over)

    def writes_elsewhere() -> bool:
        try:
            client.set("key", "value", px=60_000)
        except Exception:  # noqa: BLE001 - while it moves, anything
            client.connection_pool.disconnect()
            return False
        return bool(client.info("server")["tcp_port"] != before)

    await wait_until(writes_elsewhere, description="writes go to the new primary")
    client.close()

    assert len(told) >= 2


@pytest.mark.redis
async def test_a_thread_goes_on_while_no_sentinel_answers(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The primary is well, and a heartbeat that waited for them all would count as missing."""
    client = connect_sync(watched.url, timeout_seconds=2.0)
    client.ping()
    asked, answered = threading.Event(), threading.Event()

    def ask_in_vain() -> None:
        asked.set()
        answered.wait()

    monkeypatch.setattr("relay.contract.connect_sync.ASK_SECONDS", 0.01)
    monkeypatch.setattr("relay.contract.connect_sync.LOOK_SECONDS", 0.0)
    monkeypatch.setattr(client.connection_pool, "get_master_address", ask_in_vain)
    beating = asyncio.create_task(asyncio.to_thread(client.ping))
    try:
        await wait_until(beating.done, description="the store answers")
    finally:
        answered.set()
        await beating
        client.close()

    assert asked.is_set()


@pytest.mark.redis
async def test_sentinels_that_are_gone_are_passed_over(watched: Watched) -> None:
    """One that answers is enough."""
    address = read_address(watched.url)
    gone = [Host("127.0.0.1", free_port()) for _ in range(2)]
    url = write_address(replace(address, hosts=(*gone, address.hosts[0])))
    async with client_of(url) as client:
        assert await port_of(client) == watched.named_port()


@pytest.mark.redis
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sentinel_password": None}, "does not take the user or the password"),
        ({"sentinel_password": "wrong"}, "does not take the user or the password"),
        ({"sentinel_username": "nobody"}, "does not take the user or the password"),
        ({"service": "another"}, "does not know the service"),
    ],
)
async def test_why_no_sentinel_helps_is_said(
    watched: Watched, change: dict[str, Any], words: str
) -> None:
    """Whoever reads it must know which of the names and passwords to mend, and see none."""
    address = read_address(watched.url)
    async with client_of(write_address(replace(address, **change))) as client:
        with pytest.raises(Exception, match=words) as caught:
            await client.ping()

    assert "hunter2" not in str(caught.value)
    assert str(address.hosts[0]) in str(caught.value)


@pytest.mark.redis
async def test_a_user_who_may_ask_for_the_primary_may_do_enough(watched: Watched) -> None:
    """Sentinels have users of their own, with the rights that the page gives them."""
    rights = re.search(r"sentinels' users `(.*?)`", page("docs/how-to/connect-to-redis.md"))
    assert rights is not None
    for sentinel in watched.sentinels:
        sentinel.ask("ACL", "SETUSER", "watcher", "on", ">secret", *rights[1].split())
    address = replace(
        read_address(watched.url), sentinel_username="watcher", sentinel_password="secret"
    )
    of_thread = connect_sync(write_address(address), timeout_seconds=2.0)
    async with client_of(write_address(address)) as client:
        assert await client.ping()
    assert of_thread.ping()
    of_thread.close()


async def test_that_no_sentinel_answers_is_said() -> None:
    """All are named."""
    url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/{SERVICE}"
    async with client_of(url) as client:
        with pytest.raises(Exception, match=r"does not answer; .* does not answer"):
            await client.ping()


@pytest.mark.parametrize("flags", [b"master,s_down", b"master,o_down", b"s_down,master", b"slave"])
def test_a_sentinel_that_sees_the_server_down_names_none(flags: bytes) -> None:
    """Another sentinel may know of a new one already."""
    with pytest.raises(NoPrimary):
        read_primary([b"ip", b"10.0.0.1", b"port", b"1", b"flags", flags])


def test_a_primary_is_read() -> None:
    """Address and port, whatever else is told."""
    reply = [b"name", b"x", b"ip", b"::1", b"port", b"7", b"flags", b"master,failover_in_progress"]

    assert read_primary(reply) == Host("::1", 7)


class Asked:
    """A client of a sentinel, whose question and whose end take as long as a test says."""

    def __init__(self) -> None:
        self.was_asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.closes = asyncio.Event()
        self.may_close = asyncio.Event()
        self.is_closed = False

    async def execute_command(self, *_: str) -> list[bytes]:
        """Name a primary."""
        self.was_asked.set()
        await self.answers.wait()
        return [b"ip", b"::1", b"port", b"7", b"flags", b"master"]

    async def aclose(self) -> None:
        """Close it, which can be cut off."""
        self.closes.set()
        await self.may_close.wait()
        self.is_closed = True


@pytest.mark.parametrize("while_closing", [False, True])
async def test_a_question_that_is_cut_off_leaves_no_connection_open(while_closing: bool) -> None:  # noqa: FBT001 - a parameter
    """Whoever asked is gone, and the client of that question is closed all the same."""
    asked = Asked()
    sentinels = Sentinels((Host("::1", 1),), SERVICE, lambda _: cast("Redis", asked))
    asking = asyncio.create_task(sentinels.primary())
    await asked.was_asked.wait()
    if while_closing:
        asked.answers.set()
        await asked.closes.wait()
    asking.cancel()
    await asked.closes.wait()
    asking.cancel()
    await asyncio.wait({asking})
    asked.may_close.set()
    await sentinels.closing.ended()

    assert asking.cancelled()
    assert asked.is_closed


@pytest.mark.parametrize("while_closing", [False, True])
async def test_a_client_that_ends_waits_for_what_its_questions_were_asked_over(
    monkeypatch: pytest.MonkeyPatch,
    while_closing: bool,  # noqa: FBT001 - a parameter
) -> None:
    """The loop may end right behind it."""
    monkeypatch.setattr(following_module, "ASK_SECONDS", 0.0)
    asked = Asked()
    sentinels = Sentinels((Host("::1", 1),), SERVICE, lambda _: cast("Redis", asked))
    lookout = following_module.Lookout(sentinels)
    lookout.look()
    await asked.was_asked.wait()
    if while_closing:
        asked.answers.set()
        await asked.closes.wait()
    stopping = asyncio.create_task(lookout.stop())
    await asked.closes.wait()
    asyncio.get_running_loop().call_later(0.01, asked.may_close.set)
    await stopping

    assert asked.is_closed


# --- a former primary that still takes writes


class Said(Sentinels):
    """Sentinels that say what the test says, one after the other."""

    def __init__(self, *ports: int) -> None:
        super().__init__((), SERVICE, lambda _: Redis())
        self.ports = ports
        self._left = [Host("127.0.0.1", port) for port in ports]
        self.doubts = 0
        self.asked = 0
        self.are_away = False

    async def primary(self) -> Host:
        """Name the server that is the primary now."""
        self.asked += 1
        if self.are_away:
            raise NoPrimary
        return self._left[0]

    def doubt(self) -> None:
        """Say something else to whoever doubts it."""
        self.doubts += 1
        self.move_on()

    def move_on(self) -> None:
        """Name the next from now on."""
        self._left.pop(0)


def led(said: Said) -> Redis:
    """Give a client that goes where it is said."""
    kind = connect("redis://", role="test").connection_pool.connection_class
    return Redis.from_pool(FollowingPool(said, kind, max_connections=1, protocol=2))


async def wait_for_port(client: Redis, port: int) -> None:
    """Wait until a client has gone to a server."""

    async def is_there() -> bool:
        return await port_of(client) == port

    await wait_until(is_there, description="it goes to the other server")


@pytest.fixture
def looks_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the sentinels with every command."""
    monkeypatch.setattr(following_module, "LOOK_SECONDS", 0.0)


@pytest.fixture
def said(start_server: Callable[..., Server]) -> Said:
    """Sentinels that name one of two servers, and the other when they have moved on."""
    return Said(*(start_server(NAMES[0], "none").port for _ in range(2)))


@pytest.mark.redis
@pytest.mark.usefixtures("looks_always")
async def test_a_former_primary_is_left_though_it_answers(said: Said) -> None:
    """Until a sentinel makes a replica of it, it takes what will be lost."""
    former, now = said.ports
    async with led(said) as client:
        before = await port_of(client)
        said.move_on()
        await wait_for_port(client, now)

    assert before == former
    assert said.doubts == 0


@pytest.mark.redis
async def test_an_idle_connection_to_a_former_primary_is_not_used_again(said: Said) -> None:
    """Not even for one command, which could be the one that stores an event."""
    async with led(said) as client:
        await client.ping()
        pool: Any = client.connection_pool
        (idle,) = pool._available_connections
        await pool._lookout.stop()
        said.move_on()
        pool._lookout._next_at = 0.0
        pool._lookout.look()
        await wait_until(idle.should_reconnect, description="it is seen that the primary moved")

        assert await port_of(client) == said.ports[1]


@pytest.mark.redis
@pytest.mark.usefixtures("looks_always")
async def test_a_connection_that_is_kept_is_left_too(said: Said) -> None:
    """Events go over one that no pool sees between them."""
    async with led(said) as client:
        wire = Wire(client)
        await wire.exchange([("PING",)])
        said.move_on()

        async def is_there() -> bool:
            (reply,) = await wire.exchange([("INFO", "server")])
            return f"tcp_port:{said.ports[1]}".encode() in reply

        await wait_until(is_there, description="it goes to the new primary")
        await wire.close()


@pytest.mark.redis
@pytest.mark.usefixtures("looks_always")
async def test_sentinels_that_are_away_disturb_nobody(
    start_server: Callable[..., Server],
) -> None:
    """The server answers, so there is nothing to look for."""
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    server = start_server(NAMES[0], "none")
    said = Said(server.port)
    async with led(said) as client:
        identity = await client.client_id()
        said.are_away = True
        for _ in range(3):
            await client.ping()
            await asyncio.sleep(0)
        after = await client.client_id()

    gc.collect()  # an error that nobody has asked a task for is told when it is thrown away

    assert said.asked >= 2
    assert identity == after
    assert troubles == []


# --- a sentinel that is wrong


@pytest.mark.one_server("REPLICAOF is not allowed in cluster mode")
@pytest.mark.redis
async def test_a_replica_that_is_named_as_primary_is_not_gone_to(
    start_server: Callable[..., Server],
) -> None:
    """A sentinel that was cut off names yesterday's; reading there would show old events."""
    primary, replica = start_server(NAMES[0], "none"), start_server(NAMES[0], "none")
    with replica.client() as client:
        client.replicaof("127.0.0.1", str(primary.port))
    said = Said(replica.port, primary.port)
    client_led = led(said)
    with pytest.raises(NoPrimary, match="is no primary"):
        await client_led.ping()
    port = await port_of(client_led)
    await client_led.aclose()

    assert port == primary.port
    assert said.doubts == 1


@pytest.mark.redis
async def test_a_user_who_may_not_ask_for_the_role_is_let_in(
    start_server: Callable[..., Server],
) -> None:
    """The refusal of a write tells the same later."""
    server = start_server(NAMES[0], "none")
    with server.client() as client:
        client.acl_setuser("default", enabled=True, commands=["-role"], reset=False)
    client_led = led(Said(server.port))

    assert await client_led.ping()
    await client_led.aclose()


async def test_whoever_named_a_server_that_is_not_there_is_asked_last() -> None:
    """The others may know better."""
    asked: list[int] = []

    def open_client(host: Host) -> Redis:
        asked.append(host.port)
        raise OSError

    sentinels = Sentinels((Host("a", 1), Host("b", 2), Host("c", 3)), SERVICE, open_client)
    sentinels.doubt()
    with pytest.raises(NoPrimary):
        await sentinels.primary()

    assert asked == [2, 3, 1]
