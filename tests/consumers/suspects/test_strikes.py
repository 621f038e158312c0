"""The strike of a suspect: there while it runs, and gone after, unless its process died."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.crew import Crew, crew_for
from consumers.entry import HeldEntry
from consumers.event import Event
from consumers.handle import HandlerEnded
from consumers.outcome import GiveUp
from consumers.retry import Retry
from consumers.rooms import House, Room
from consumers.settle import Settler
from consumers.suspects import strikes as module
from consumers.suspects.strikes import Strikes
from consumers.suspects.suspicion import Suspicion
from consumers.worker import Batch
from relay.contract.connect import connect
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    US,
    append_events,
    dead_letters,
    due_times,
    fields_for,
    full,
    in_books,
    make_handler,
    make_stream,
    pending,
    read_as,
    strikes,
    us,
)
from tests.servers import Server
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

STREAM = make_stream()
BOOK = KEYS.strikes(TAG, GROUP)


class Scene:
    """Suspects that are pending under us, and the lanes of their handler."""

    def __init__(self, store: Redis, entries: list[HeldEntry]) -> None:
        self.store = store
        self.entries = entries
        self.settler = Settler(us(store))

    @property
    def strikes(self) -> Strikes:
        """What writes them."""
        return self.settler.strikes

    @property
    def suspect(self) -> HeldEntry:
        """The first."""
        return self.entries[0]

    def room(self, function: Callable[..., object], **options: Any) -> Room:
        """Make the room of a handler, with the suspects in it."""
        (room,) = House([make_handler(function, **options)]).rooms
        for entry in self.entries:
            room.put(entry)
        return room

    async def run(self, function: Callable[..., object], **options: Any) -> Crew:
        """Have lanes that handle the suspects."""
        crew = crew_for(self.room(function, **options), self.settler)
        crew.start()
        return crew

    async def until_settled(self) -> None:
        """Wait until nothing is pending under us."""

        async def done() -> bool:
            return US not in (await pending(self.store)).values()

        await wait_until(done, description="all is settled")


@pytest.fixture
async def scene(store: Redis) -> Scene:
    """Two suspects, one of them with a strike."""
    return await make_scene(store, Suspicion(3, 1), Suspicion(2, 0))


async def make_scene(store: Redis, *suspicions: Suspicion) -> Scene:
    """Have events pending under us, with something against each."""
    ids = [f"evt_{number}" for number in range(len(suspicions))]
    entry_ids = await append_events(store, ids)
    await read_as(store, US)
    entries = [
        HeldEntry(STREAM, entry_id, fields_for(event_id), suspicion=suspicion)
        for entry_id, event_id, suspicion in zip(entry_ids, ids, suspicions, strict=True)
    ]
    for entry in entries:
        await store.hset(BOOK, entry.member, entry.suspicion.written())
    return Scene(store, entries)


# --- how a run ends


async def succeed(event: Event) -> None:
    """Handle the event."""


async def fail(event: Event) -> None:
    """Fail, to be tried again."""
    raise ValueError


async def give_up(event: Event) -> None:
    """Fail for good."""
    raise GiveUp("x")


async def hang(event: Event) -> None:
    """Take too long."""
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("function", "left"),
    [(succeed, {}), (give_up, {}), (fail, {"3 1", "2 0"}), (hang, {"3 1", "2 0"})],
)
async def test_a_run_that_ends_leaves_no_strike(
    scene: Scene, function: Callable[[Event], Awaitable[None]], left: set[str]
) -> None:
    """What was there before stays with the entry until it is settled."""
    seen: list[list[str]] = []

    async def watch(event: Event) -> None:
        seen.append(sorted((await strikes(scene.store)).values()))
        await function(event)

    policy = Retry(base_seconds=60, jitter=0)
    # Also the one that hangs looks into the store before its time is over.
    crew = await scene.run(watch, timeout_seconds=1 if function is hang else 60, retry=policy)
    await scene.until_settled()
    await crew.stop(1)
    await scene.settler.flush()

    assert seen[0] == ["2 0", "3 2"]
    assert seen[1] in (["2 1"], ["2 1", "3 1"])
    assert set((await strikes(scene.store)).values()) == set(left)


async def test_suspects_run_one_at_a_time(store: Redis) -> None:
    """With lanes enough for all, and others running beside."""
    scene = await make_scene(store, *[Suspicion(2, 0)] * 4, *[Suspicion(1, 0)] * 4)
    running: set[str] = set()
    most: list[int] = []

    async def watch(event: Event) -> None:
        running.add(event.id)
        most.append(len(running & {"evt_0", "evt_1", "evt_2", "evt_3"}))
        await asyncio.sleep(0.01)
        running.discard(event.id)

    crew = await scene.run(watch)
    await scene.until_settled()
    await crew.stop(1)

    assert max(most) == 1
    assert len(most) == 8


async def test_an_entry_with_three_strikes_is_set_aside_unrun(store: Redis) -> None:
    """With their number in its error; a run that never was is no attempt."""
    scene = await make_scene(store, Suspicion(5, 3))
    runs: list[str] = []

    async def note(event: Event) -> None:
        runs.append(event.id)

    crew = await scene.run(note)
    await scene.until_settled()
    await crew.stop(1)
    (letter,) = await dead_letters(store)

    assert runs == []
    assert (letter[b"reason"], letter[b"attempts"]) == (b"poison", b"0")
    assert b"3 strikes" in letter[b"lasterror"]
    assert await strikes(store) == {}


async def test_a_handler_that_ends_the_process_keeps_its_strike(store: Redis) -> None:
    """It harms its neighbours as a crash does, also where it asks politely."""
    scene = await make_scene(store, Suspicion(3, 1))

    def end(event: Event) -> None:
        raise SystemExit(1)

    crew = await scene.run(end)
    await wait_until(lambda: crew.failure is not None, description="the lane has ended")
    await crew.stop(0)
    await scene.strikes.withdraw()

    assert isinstance(crew.failure, HandlerEnded)
    assert list((await strikes(store)).values()) == ["3 2"]


async def test_a_goodbye_is_no_strike(scene: Scene) -> None:
    """What the end of the process stops in the middle goes to others as it was."""
    begun = asyncio.Event()

    async def wait(event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    crew = await scene.run(wait)
    await begun.wait()
    rest = await crew.stop(0)
    during = await strikes(scene.store)
    await scene.strikes.withdraw()
    await scene.settler.hand_back(rest)

    assert "3 2" in during.values()
    assert sorted((await strikes(scene.store)).values()) == ["2 0", "3 1"]
    assert len(await due_times(scene.store)) == 2


# --- a store that does not simply take it


async def test_a_strike_may_be_sent_twice(scene: Scene) -> None:
    """Its reply may be lost; a strike too many would convict an innocent."""
    room = scene.room(succeed)
    await scene.strikes.mark(scene.suspect, room)
    await scene.strikes.mark(scene.suspect, room)

    assert (await strikes(scene.store))[scene.suspect.member] == "3 2"


async def test_a_full_server_takes_a_strike(scene: Scene) -> None:
    """Or suspects would stand still for as long as it is full."""
    async with full(scene.store):
        assert await scene.strikes.mark(scene.suspect, scene.room(succeed))

    assert (await strikes(scene.store))[scene.suspect.member] == "3 2"


async def test_a_suspect_that_is_anothers_by_now_is_not_run(scene: Scene) -> None:
    """Nor is a strike written, or removed, that is the other's to write."""
    room = scene.room(succeed)
    await scene.store.xclaim(STREAM.key, GROUP, "other", 0, [scene.suspect.entry_id])
    with capture_logs() as logs:
        may_run = await scene.strikes.mark(scene.suspect, room)

    assert not may_run
    assert [line["event"] for line in logs] == ["suspect_lost"]
    assert (await strikes(scene.store))[scene.suspect.member] == "3 1"
    assert room.free == 109


async def test_a_suspect_that_was_deleted_is_not_run_and_leaves_nothing(store: Redis) -> None:
    """Its strike would stand in the book for ever."""
    scene = await make_scene(store, Suspicion(3, 1))
    await store.xdel(STREAM.key, scene.suspect.entry_id)

    assert not await scene.strikes.mark(scene.suspect, scene.room(succeed))
    assert await strikes(store) == {}
    assert await pending(store) == {}


async def test_a_late_end_does_not_touch_the_others_strike(scene: Scene) -> None:
    """Another has taken the entry over, and runs it under a strike of its own."""
    await scene.strikes.mark(scene.suspect, scene.room(succeed))
    await scene.store.xclaim(STREAM.key, GROUP, "other", 0, [scene.suspect.entry_id])
    await scene.store.hset(BOOK, scene.suspect.member, "4 3")
    await scene.strikes.lift(scene.suspect)
    await scene.strikes.withdraw()

    assert (await strikes(scene.store))[scene.suspect.member] == "4 3"


async def test_a_suspect_waits_for_a_store_that_is_away(own_server: Server) -> None:
    """It is never run unmarked: nobody could blame it."""
    client = connect(own_server.url, role="test", connections=4)
    scene = await make_scene(client, Suspicion(2, 0))
    written: list[str] = []

    async def note(event: Event) -> None:
        written.extend((await strikes(client)).values())

    own_server.kill()
    with capture_logs() as logs:
        crew = await scene.run(note)
        await wait_until(lambda: bool(logs), description="it waits")
        before = list(written)
        own_server.start()
        await wait_until(lambda: bool(written), description="it runs")
    await crew.stop(1)
    await scene.settler.flush()
    await client.aclose()

    assert before == []
    assert written == ["2 1"]
    assert logs[0]["event"] == "settling_waits_for_store"


async def test_a_book_of_a_wrong_type_keeps_a_suspect_from_running(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once; the entry stays pending, its lane works on; mended, it runs."""
    monkeypatch.setattr(module, "REFUSED_PAUSE_SECONDS", 0.01)
    scene = await make_scene(store, Suspicion(2, 0), Suspicion(0, 0))
    await store.delete(BOOK)
    await store.set(BOOK, "x", px=60_000)
    runs: list[str] = []
    tries: list[str] = []
    write = scene.strikes._write

    async def note(event: Event) -> None:
        runs.append(event.id)

    async def count(entry: HeldEntry, suspicion: Suspicion) -> bool:
        tries.append(entry.entry_id)
        return await write(entry, suspicion)

    monkeypatch.setattr(scene.strikes, "_write", count)
    with capture_logs() as logs:
        crew = await scene.run(note, concurrency=1)
        await wait_until(lambda: len(tries) > 2 and runs == ["evt_1"], description="tried again")
        held = await pending(store)
        await store.delete(BOOK)
        await wait_until(lambda: len(runs) == 2, description="it runs")
        await scene.until_settled()
    await crew.stop(1)

    assert runs == ["evt_1", "evt_0"]
    assert held[scene.suspect.entry_id] == US
    said = [line for line in logs if line["event"] == "skipped"]
    assert [(line["duty"], line["error"]) for line in said] == [("strikes", "WRONGTYPE")]


async def test_what_is_kept_aside_at_the_end_stays_pending(
    store: Redis,
) -> None:
    """Others take it over; no task is left behind."""
    scene = await make_scene(store, Suspicion(2, 0))
    await store.delete(BOOK)
    await store.set(BOOK, "x", px=60_000)
    crew = await scene.run(succeed)
    await wait_until(lambda: bool(scene.strikes._aside), description="it is aside")
    rest = await crew.stop(0)
    await scene.settler.stop()

    assert rest == []
    assert list((await pending(store)).values()) == [US]
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "strike-later"]


# --- where what is known of an entry is cleared


async def test_the_books_of_one_that_was_never_taken_over_are_not_asked(scene: Scene) -> None:
    """Every event is acknowledged; few were ever taken over."""
    innocent = replace(scene.entries[1], suspicion=Suspicion())

    assert scene.settler._written_in(innocent) == []
    assert scene.settler._written_in(scene.suspect) == [BOOK]


async def test_parking_keeps_what_is_known(scene: Scene) -> None:
    """The entry comes back, and is as suspect as before."""
    await scene.settler.park(scene.suspect, 0, "ValueError")

    assert (await strikes(scene.store))[in_books(scene.suspect.entry_id)] == "3 1"


async def test_a_suspect_is_given_to_a_batch_handler_by_itself(scene: Scene) -> None:
    """Its neighbours in a batch would be struck with it."""
    sizes: list[int] = []

    async def handle(events: list[Event]) -> None:
        sizes.append(len(events))

    crew = await scene.run(handle, batch=Batch(10, 0.01), concurrency=2)
    await scene.until_settled()
    await crew.stop(1.0)

    assert sizes == [1, 1]
