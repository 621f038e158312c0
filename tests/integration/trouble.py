"""Every way in which a store that is there refuses: each brought about by its real cause."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from tests.servers import Server, wait_until_sync

NOBODY = 1  # a port without a server
# More than it reads between two looks at its clients, each taking its time.
FILLERS = [f"filler:{number}" for number in range(20_000)]
LOAD_DELAY_MICROSECONDS = "250"


@dataclass(frozen=True)
class Trouble:
    """A cause that can be begun and ended.

    Args:
        word: What the store's error begins with.
        begin: Brings it about; returns when the store refuses.
        end: Takes it away.
    """

    word: str
    begin: Callable[[Server], None]
    end: Callable[[Server], None]

    def __str__(self) -> str:
        return self.word


def refusal_of(server: Server) -> str:
    """Give the error that the store has for a write; empty where it takes one."""
    try:
        with server.client() as client:
            client.eval("return redis.call('SET', KEYS[1], 1, 'PX', 1000)", 1, "probe")
    except RedisError as error:
        return f"{getattr(error, 'status_code', '')} {error}"
    return ""


def _by_client(change: Callable[[Redis], object]) -> Callable[[Server], None]:
    def make(server: Server) -> None:
        with server.client() as client:
            change(client)

    return make


def _follow_nobody(client: Redis, *, serve_stale: str = "yes") -> None:
    client.config_set("replica-serve-stale-data", serve_stale)
    client.replicaof("127.0.0.1", NOBODY)


def _fail_to_save(server: Server) -> None:
    # A file cannot take a directory's name.
    (server.directory / "dump.rdb").mkdir()
    with server.client() as client:
        client.config_set("save", "900 1")
        client.bgsave()
    _wait_for_save(server, "err")


def _save_again(server: Server) -> None:
    (server.directory / "dump.rdb").rmdir()
    with server.client() as client:
        client.bgsave()
    _wait_for_save(server, "ok")


def _wait_for_save(server: Server, status: str) -> None:
    def is_saved() -> bool:
        with server.client() as client:
            return bool(client.info("persistence")["rdb_last_bgsave_status"] == status)

    wait_until_sync(is_saved, description=f"saving ends with {status}")


def _run_without_end(server: Server) -> None:
    def run() -> None:
        with suppress(RedisError), server.client() as client:
            client.eval("while true do end", 0)

    with server.client() as client:
        client.config_set("lua-time-limit", 20)
    threading.Thread(target=run, daemon=True).start()


def _load_slowly(server: Server) -> None:
    with server.client() as client:
        pipeline = client.pipeline(transaction=False)
        for name in FILLERS:
            pipeline.set(name, "")
        pipeline.execute()
    server.kill()
    server.options["key-load-delay"] = LOAD_DELAY_MICROSECONDS
    server.begin()


def _load_quickly(server: Server) -> None:
    server.options.pop("key-load-delay")
    server.restart()
    with server.client() as client:
        client.delete(*FILLERS)


TROUBLES = (
    Trouble(
        "READONLY",
        _by_client(_follow_nobody),
        _by_client(lambda client: client.replicaof("NO", "ONE")),
    ),
    Trouble(
        "MASTERDOWN",
        _by_client(lambda client: _follow_nobody(client, serve_stale="no")),
        _by_client(lambda client: client.replicaof("NO", "ONE")),
    ),
    Trouble(
        "NOREPLICAS",
        _by_client(lambda client: client.config_set("min-replicas-to-write", 1)),
        _by_client(lambda client: client.config_set("min-replicas-to-write", 0)),
    ),
    Trouble("MISCONF", _fail_to_save, _save_again),
    Trouble(
        "OOM",
        _by_client(lambda client: client.config_set("maxmemory", 1)),
        _by_client(lambda client: client.config_set("maxmemory", 0)),
    ),
    Trouble("BUSY", _run_without_end, _by_client(lambda client: client.script_kill())),
    Trouble(
        "NOPERM",
        _by_client(
            lambda client: client.acl_setuser("default", enabled=True, categories=["-@scripting"])
        ),
        _by_client(
            lambda client: client.acl_setuser("default", enabled=True, categories=["+@all"])
        ),
    ),
    Trouble("LOADING", _load_slowly, _load_quickly),
)
