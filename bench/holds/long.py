"""Handlers that run long, through a store that is away or full: how often each ran out.

Three stores, each with two workers of one group, at the same time: one whose handlers run for ten
dead times or keep the event loop busy, one that is killed for a minute and comes back, and one
that takes no more memory for a minute. No event may be handled twice.
"""

import os
import signal
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from bench.failures import ProgramFailed
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.workers import ACTS, GROUP, acts, fill, stream, worker, write_handlers
from bench.processes import Program, free_port, running
from bench.store import client, durable
from bench.tools import path_of
from consumers.heartbeat import DEAD_SECONDS

_LOOK_SECONDS = 0.5
_END_SECONDS = 60.0
_WORKERS = 2
_LONG, _BURNING = stream("long"), stream("burning")
_HANDLERS = f"""
    import asyncio, os, time
    from consumers import Event, Worker

    worker = Worker(group="{GROUP}")
    book = os.open("{ACTS}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event, act):
        os.write(book, f"{{event.type}} {{event.id}} {{act}}\\n".encode())

    @worker.on("unipile:long", concurrency=100, timeout_seconds=None)
    async def run_long(event: Event) -> None:
        note(event, "start")
        await asyncio.sleep({{seconds}})
        note(event, "end")

    @worker.on("unipile:burning", concurrency=1, timeout_seconds=None)
    async def burn(event: Event) -> None:
        note(event, "start")
        ends = time.monotonic() + {{burn}}
        while time.monotonic() < ends:
            pass
        note(event, "end")
"""


@dataclass(slots=True)
class Site:
    """A store and its workers.

    Args:
        directory: Theirs.
        port: The store's.
        redis: A client of it.
        server: Its process, while it runs.
    """

    directory: Path
    port: int
    redis: Redis
    server: Program | None = None

    def runs(self) -> Counter[str]:
        """Give how often each event's handler was begun."""
        return Counter(act[1] for act in acts(self.directory) if act[2] == "start")

    def ends(self) -> int:
        """Say how many runs came to their end."""
        return sum(1 for act in acts(self.directory) if act[2] == "end")


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Have all of it happen at once, and judge."""
    dead_times = given.dead_times * DEAD_SECONDS
    with ExitStack() as stack:
        long = stack.enter_context(_site(directory / "long", dead_times, given.burn))
        away = stack.enter_context(_site(directory / "away", given.seconds, 0))
        full = stack.enter_context(_site(directory / "full", given.seconds, 0))
        with _server(long), _server(full):
            _work(stack, record, given, (long, away, full))
            _until(lambda: long.ends() == 2, dead_times + given.burn, "the long ones end")
            _settled(long, full)
    for site, name in ((long, "long"), (away, "away"), (full, "full")):
        record.say(name, runs=len(site.runs()), again=sum(site.runs().values()) - len(site.runs()))
    _judge(
        record, f"handlers of {dead_times:.0f} s, and {given.burn} s of CPU in the loop", long, 2
    )
    _judge(
        record,
        f"{given.handlers} handlers of {given.seconds} s, the store killed for {given.gone} s",
        away,
        given.handlers,
    )
    _judge(
        record,
        f"{given.handlers} handlers of {given.seconds} s, the store full for {given.gone} s",
        full,
        given.handlers,
    )


def _work(
    stack: ExitStack, record: Record, given: Namespace, sites: tuple[Site, Site, Site]
) -> None:
    """Start everything, and take two of the stores from their workers for a while."""
    long, away, full = sites
    with _server(away):
        fill(long.redis, _LONG, ["long_0"])
        fill(long.redis, _BURNING, ["burning_0"])
        for site in (away, full):
            fill(site.redis, _LONG, [f"{site.directory.name}_{n}" for n in range(given.handlers)])
        for site in sites:
            for number in range(_WORKERS):
                url = f"redis://127.0.0.1:{site.port}/0"
                stack.enter_context(worker(site.directory, url, f"worker-{number}"))
        begun = time.monotonic()
        _until(lambda: len(away.runs()) == len(full.runs()) == given.handlers, 60, "all have begun")
        time.sleep(5)
        assert away.server is not None
        os.kill(away.server.pid, signal.SIGKILL)
    full.redis.config_set("maxmemory", 1)
    record.say("taken away", after_seconds=round(time.monotonic() - begun, 1))
    time.sleep(given.gone)
    full.redis.config_set("maxmemory", 0)
    record.say("given back", after_seconds=round(time.monotonic() - begun, 1))
    with _server(away):
        _until(lambda: away.ends() >= given.handlers, given.seconds + _END_SECONDS, "all end")
        _settled(away)
    _until(lambda: full.ends() >= given.handlers, given.seconds + _END_SECONDS, "all end")


@contextmanager
def _site(directory: Path, seconds: float, burn: float) -> Iterator[Site]:
    directory.mkdir()
    text = _HANDLERS.replace("{seconds}", str(seconds)).replace("{burn}", str(burn))
    write_handlers(directory, text)
    port = free_port()
    with closing(client(port)) as redis:
        yield Site(directory, port, redis)


@contextmanager
def _server(site: Site) -> Iterator[None]:
    """Have the site's store within the block, with the files of its last life."""
    fixed = {"port": str(site.port), "bind": "127.0.0.1", "dir": str(site.directory), "save": ""}
    pairs = ((f"--{key}", value) for key, value in (fixed | durable("always")).items())
    command = [path_of("redis-server"), *(word for pair in pairs for word in pair)]
    with running("redis", command, site.directory) as site.server:
        site.server.wait_for(lambda: _answers(site.redis), "an answer to PING")
        yield


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def _settled(*sites: Site) -> None:
    """Wait until nothing is pending any more."""
    for site in sites:
        _until(
            lambda site=site: not site.redis.xpending(_LONG.key, GROUP)["pending"],
            _END_SECONDS,
            "nothing pending",
        )


def _until(condition: object, seconds: float, what: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds + _END_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ProgramFailed(f"not in time: {what}")
        time.sleep(_LOOK_SECONDS)


def _judge(record: Record, claim: str, site: Site, events: int) -> None:
    runs = site.runs()
    again = sum(runs.values()) - len(runs)
    record.judge(
        f"{claim}: each runs once",
        f"{len(runs)} of {events} run, {site.ends()} ended, {again} run again",
        bound="all, none again",
        holds=len(runs) == site.ends() == events and again == 0,
    )


def main() -> int:
    """Read the options and run."""
    parser = options("How often long handlers run while their store is away, or full.")
    parser.add_argument("--dead-times", type=float, default=10, help="how long the longest runs")
    parser.add_argument("--burn", type=float, default=20, help="seconds of CPU in the loop")
    parser.add_argument("--handlers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=90, help="how long each of them runs")
    parser.add_argument("--gone", type=float, default=60, help="seconds without the store")
    return judge("long", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
