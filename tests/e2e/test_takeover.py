"""Worker processes that die, stall and hang: who is taken over, who is not, and who is to blame."""

import asyncio
import contextlib
import signal
import textwrap
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from relay.contract.connect import connect
from tests.consumers.making import (
    GROUP,
    append_events,
    dead_letters,
    due_times,
    fields_for,
    make_stream,
    numbered,
    pending,
    read_as,
    strikes,
)
from tests.hasty import make_hasty
from tests.programs import Program, end, start, worker
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

DEAD_SECONDS = 0.8
# While one handler burns CPU on a machine that is busy as well.
LOADED_DEAD_SECONDS = 2.5
DEADLINE_SECONDS = 60.0
ORPHANS = make_stream("orphan")
MOST_ORPHANS = 300

HANDLERS = """
    import asyncio, os, pathlib
    import hasty
    from consumers import Event, Retry, Worker

    worker = Worker(group="crm")
    name = os.environ["NAME"]
    book = os.open("runs.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(word, event):
        os.write(book, f"{word} {event.id} {name}\\n".encode())
        os.fsync(book)

    @worker.on("unipile:poison", concurrency=5)
    async def poison(event: Event) -> None:
        note("begun", event)
        if event.id == "evt_7":
            os._exit(1)
        await asyncio.sleep(0.005)
        note("done", event)

    @worker.on("unipile:long", concurrency=1, timeout_seconds=None)
    async def wait(event: Event) -> None:
        note("begun", event)
        if event.id == "evt_0":
            await asyncio.sleep(LONG)
            while not pathlib.Path("go").exists():
                await asyncio.sleep(0.01)
        note("done", event)

    @worker.on("unipile:burning", concurrency=1, timeout_seconds=None)
    async def burn(event: Event) -> None:
        note("begun", event)
        while event.id == "evt_0" and not pathlib.Path("go").exists():
            sum(range(1000))
        note("done", event)

    @worker.on("unipile:orphan", concurrency=1)
    async def adopt(event: Event) -> None:
        note("adopted", event)

    @worker.on("unipile:late", concurrency=2, retry=Retry(base_seconds=0.01))
    async def late(event: Event) -> None:
        note("begun", event)
        while name == "one" and not pathlib.Path("go").exists():
            await asyncio.sleep(0.01)
        if name == "one" and event.id == "evt_1":
            note("failed", event)
            raise ValueError
        note("done", event)
"""

# Starts a worker again each time it has died, without loading everything anew.
PHOENIX = """
    import asyncio, os, signal
    import handlers
    from consumers.app import run_worker
    from consumers.settings import load_settings

    child = 0
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        child = os.fork()
        if not child:
            asyncio.run(run_worker(handlers.worker, load_settings(os.environ)))
            os._exit(0)
        if not os.waitpid(child, 0)[1]:
            break
        print("it died", flush=True)
"""


class Scene:
    """A directory with handlers that keep a book, and a server.

    Args:
        directory: Where the workers are started.
        server: Where they read.
        store: A client of it.
    """

    def __init__(self, directory: Path, server: Server, store: Redis) -> None:
        self.directory = directory
        self.server = server
        self.store = store

    def worker(self, name: str) -> contextlib.AbstractContextManager[Program]:
        """Have a worker process within the block."""
        return worker(self.directory, self.server.url, "handlers:worker", name=name, NAME=name)

    def runs(self, word: str, name: str | None = None) -> list[str]:
        """Give the ids of the events that were begun, or done, by a process."""
        book = self.directory / "runs.txt"
        lines = [line.split() for line in book.read_text().splitlines()] if book.exists() else []
        return [event_id for said, event_id, by in lines if said == word and name in {None, by}]

    async def until(self, word: str, count: int, name: str | None = None) -> None:
        """Wait until so many runs were begun, or done."""
        await wait_until(
            lambda: len(self.runs(word, name)) >= count,
            deadline_seconds=DEADLINE_SECONDS,
            description=f"{count} {word}",
        )

    async def until_settled(self, event_type: str) -> None:
        """Wait until nothing of a type is pending."""
        stream = f"relay:{{unipile}}:{event_type}"

        async def done() -> bool:
            (group,) = await self.store.xinfo_groups(stream)
            return not group["pending"]

        await wait_until(done, deadline_seconds=DEADLINE_SECONDS, description="all is settled")


@pytest.fixture
async def scene(tmp_path: Path, start_server: Callable[..., Server]) -> AsyncIterator[Scene]:
    """Handlers in a directory of their own, where the dead are known within moments."""
    make_hasty(tmp_path, DEAD_SECONDS)
    text = textwrap.dedent(HANDLERS).replace("LONG", str(10 * DEAD_SECONDS))
    (tmp_path / "handlers.py").write_text(text)
    server = start_server("valkey", "none")
    client = connect(server.url, role="test", connections=8)
    yield Scene(tmp_path, server, client)
    await client.aclose()


async def test_an_event_that_kills_its_process_is_a_dead_letter_and_its_neighbours_are_handled(
    scene: Scene,
) -> None:
    """After three strikes it is not run any more; no neighbour is blamed for being there."""
    await append_events(scene.store, numbered(100), "poison")
    (scene.directory / "phoenix.py").write_text(textwrap.dedent(PHOENIX))
    program = start(
        ["phoenix.py"], scene.directory, "phoenix", REDIS_URL=scene.server.url, NAME="one"
    )
    try:

        async def convicted() -> bool:
            return bool(await dead_letters(scene.store))

        await wait_until(
            convicted, deadline_seconds=DEADLINE_SECONDS, description="it is set aside"
        )
        await scene.until_settled("poison")
    finally:
        end(program)
    (letter,) = await dead_letters(scene.store)

    # Two unmarked runs, and three under a strike.
    assert Counter(scene.runs("begun"))["evt_7"] == 5
    assert program.output().count("it died") == 5
    assert (letter[b"id"], letter[b"reason"]) == (b"evt_7", b"poison")
    assert set(scene.runs("done")) == {*numbered(100)} - {"evt_7"}
    assert await strikes(scene.store) == {}


async def is_left_alone(scene: Scene, event_type: str) -> None:
    """Have a worker begin events of a type that take long, while another one takes over."""
    entry_ids = await append_events(scene.store, numbered(5), event_type)
    named = dict(zip(entry_ids, numbered(5), strict=True))
    # There before the workers, so that they need not find the stream first.
    await append_events(scene.store, ["orphan_0"], ORPHANS.event_type)
    await read_as(scene.store, "dead", ORPHANS)
    with scene.worker("one") as one:
        await scene.until("begun", 1)
        held = {named[each] for each in await pending(scene.store, make_stream(event_type))}
        with scene.worker("two") as two:
            await until_taking_over(scene, two)
            early = held & set(scene.runs("done"))
            (scene.directory / "go").touch()
            await scene.until("done", 5)
    begun = Counter(scene.runs("begun"))

    assert len(held) > 1
    assert early == set()
    assert held <= set(scene.runs("begun", "one"))
    assert begun == Counter(numbered(5))
    assert f":{event_type}" not in "".join(taken_over(one) + taken_over(two))


async def until_taking_over(scene: Scene, program: Program) -> None:
    """Leave events behind under the name of a dead consumer until a worker has taken one."""
    number = 0
    while not taken_over(program):
        await scene.until("adopted", number + 1)
        number += 1
        assert number < MOST_ORPHANS, "it takes none over"
        # In one step: a worker that reads it would not have to take it over.
        async with scene.store.pipeline(transaction=True) as pipeline:
            pipeline.xadd(ORPHANS.key, fields_for(f"orphan_{number}", type="orphan"))  # type: ignore[arg-type]
            pipeline.xreadgroup(GROUP, "dead", {ORPHANS.key: ">"})
            await pipeline.execute()


def taken_over(program: Program) -> list[str]:
    """Give the lines in which a worker says that it took entries over."""
    return [line for line in program.output().splitlines() if "entries_taken_over" in line]


async def test_what_a_living_worker_holds_is_left_to_it_however_long_it_takes(
    scene: Scene,
) -> None:
    """A handler of ten times the dead time, and what waits behind it in the process."""
    await is_left_alone(scene, "long")


async def test_a_worker_whose_loop_stands_still_is_left_what_it_holds(scene: Scene) -> None:
    """It beats from a thread of its own, which needs its share of a busy interpreter."""
    make_hasty(scene.directory, LOADED_DEAD_SECONDS)
    await is_left_alone(scene, "burning")


async def test_what_a_stalled_worker_does_late_harms_nothing(scene: Scene) -> None:
    """Its success is no second acknowledgement that counts, and its failure parks nothing."""
    await append_events(scene.store, numbered(2), "late")
    with scene.worker("one") as one:
        await scene.until("begun", 2, "one")
        one.process.send_signal(signal.SIGSTOP)
        with scene.worker("two"):
            await scene.until("done", 2, "two")
            await scene.until_settled("late")
            (scene.directory / "go").touch()
            one.process.send_signal(signal.SIGCONT)
            await scene.until("done", 1, "one")
            await scene.until("failed", 1, "one")
            await wait_until(lambda: "outcome_late" in one.output(), description="it was told")
            code = await asyncio.to_thread(one.terminate)
    left = (await due_times(scene.store), await dead_letters(scene.store))

    assert code == 0
    assert left == ({}, [])
    assert await pending(scene.store, make_stream("late")) == {}
    assert Counter(scene.runs("done")) == {"evt_0": 2, "evt_1": 1}
    assert await strikes(scene.store) == {}
