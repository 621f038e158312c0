"""Whatever happens to workers in whatever order, each event ends done or dead."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fakeredis import FakeServer
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from consumers import acks, persist, read, sweep
from consumers.entry import HeldEntry
from consumers.retry import Retry
from consumers.suspects.suspicion import POISON_STRIKES
from relay.contract.connect import connect, text_of
from relay.contract.patterns import parse_pattern
from relay.contract.paused import Pause
from relay.contract.stream import Stream
from tests.consumers.making import (
    GROUP,
    KEYS,
    TAG,
    append_events,
    dead_letters,
    due_times,
    histories,
    make_stream,
    pending,
)
from tests.consumers.stepping import Ending, SteppedWorker, Trouble
from tests.fakes import fake_store
from tests.servers import Server

# Two streams: the books must keep apart what has equal entry ids.
STREAMS = (make_stream("a"), make_stream("b"))
ATTEMPTS = 3
SLOTS = ("one", "two")
ROUNDS = 60
LONG_MS = 3_600_000

Way = Callable[[SteppedWorker], Awaitable[None]]
ALL_WAYS: tuple[Way, ...] = (
    SteppedWorker.take_over,
    SteppedWorker.take_due,
    SteppedWorker.read,
)

slots = st.sampled_from(SLOTS)
ways = st.sampled_from((ALL_WAYS, *((way,) for way in ALL_WAYS)))
endings = st.sampled_from(("done", "done", "failed", "failed", "gave up"))
# Most steps go well; of one that does not, some command fails, and perhaps its repetition.
no_trouble: st.SearchStrategy[list[Trouble | None]] = st.just([])
some_trouble = st.builds(
    lambda passed, fail: [None] * passed + fail,
    st.sampled_from((0, 0, 0, 1, 2, 3, 5)),
    st.lists(st.sampled_from(("lost", "lost", "unsent", "refused")), min_size=1, max_size=2),
)
troubles = st.one_of(no_trouble, no_trouble, some_trouble)


class Lives(RuleBasedStateMachine):
    """Two workers that read, run, settle, die, stall and lose answers, and what must hold.

    Args:
        make_client: Makes a client of the store, which is the same for all.
    """

    def __init__(self, make_client: Callable[[], Redis]) -> None:
        super().__init__()
        self._make_client = make_client
        self._loop = asyncio.Runner()
        self._clients: list[Redis] = []
        self._born = 0
        self.workers: dict[str, SteppedWorker] = {}
        self.stalled: set[str] = set()
        self.appended: list[str] = []
        self.successes: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.gave_up: set[str] = set()
        # How often a process died, or seemed to, while it ran an event.
        self.deaths: Counter[str] = Counter()

    def _do(self, step: Awaitable[Any]) -> Any:
        return self._loop.run(_awaited(step))

    def _client(self) -> Redis:
        self._clients.append(self._make_client())
        return self._clients[-1]

    # --- what may happen

    @initialize()
    def begin(self) -> None:
        """An empty store with both streams, and two workers."""
        self.store = self._client()
        self._do(self._found())
        for slot in SLOTS:
            self.start(slot)

    async def _found(self) -> None:
        await self.store.flushall()
        for stream in STREAMS:
            await self.store.xgroup_create(stream.key, GROUP, id="0", mkstream=True)

    def start(self, slot: str) -> None:
        """Begin a process in a slot, under a name of its own."""
        self._born += 1
        retry = Retry(attempts=ATTEMPTS, base_seconds=0.0)
        worker = SteppedWorker(
            self._client(), f"{slot}-{self._born}", *STREAMS, retry=retry, read_ahead=5
        )
        self.workers[slot] = worker
        self._do(self.store.set(KEYS.alive(GROUP, worker.name), "1", px=LONG_MS))

    @rule(
        slot=slots,
        come=st.lists(st.sampled_from(STREAMS), max_size=3),
        ways=ways,
        drawn=st.lists(endings, max_size=5),
        flushed=st.booleans(),
        coming=st.tuples(troubles, troubles, troubles),
    )
    def work(
        self,
        slot: str,
        come: list[Stream],
        ways: tuple[Way, ...],
        drawn: list[Ending],
        flushed: bool,  # noqa: FBT001 - drawn
        coming: tuple[list[Trouble | None], ...],
    ) -> None:
        """Events come; a worker takes entries in, ends some, in time or late, and acknowledges."""
        for stream in come:
            self.appended.append(f"evt_{len(self.appended)}")
            self._do(append_events(self.store, self.appended[-1:], stream.event_type))
        before = self._do(self._held_by_the_living())
        self._step(slot, coming[0], lambda worker: self._take_in(worker, ways))

        assert before <= self._do(self._held_by_the_living()), "the living keep what they hold"
        self._step(slot, coming[1], lambda worker: self._end_some(worker, drawn))
        if flushed:
            self._step(slot, coming[2], SteppedWorker.flush)

    async def _take_in(self, worker: SteppedWorker, ways: tuple[Way, ...]) -> None:
        # A lease whose end was not heard runs out by itself.
        await self.store.delete(KEYS.lease_sweep(TAG, GROUP))
        for way in ways:
            await way(worker)
        while (entry := await worker.begin()) is not None:
            await self._look_at(worker, entry)

    def _step(self, slot: str, coming: list[Trouble | None], step: Way) -> None:
        if slot not in self.stalled:
            worker = self.workers[slot]
            worker.troubles.expect(*coming)
            self._do(step(worker))
            worker.troubles.clear()

    async def _held_by_the_living(self) -> set[tuple[str, str, str]]:
        names = {self.workers[slot].name for slot in SLOTS if slot not in self.stalled}
        return {
            (stream.key, entry_id, owner)
            for stream in STREAMS
            for entry_id, owner in (await pending(self.store, stream)).items()
            if owner in names
        }

    async def _look_at(self, worker: SteppedWorker, entry: HeldEntry) -> None:
        """See whether a worker knows what it should of an entry."""
        owner, books = await self._known_of(entry)
        if owner == worker.name:
            assert entry.stream.key not in worker.routes.resting, "what is paused does not begin"
            assert bool(books) == bool(entry.history.attempts), "what failed before is known"
        assert entry.history.attempts <= self.failures[_event_id(entry)]
        assert entry.history.attempts < ATTEMPTS

    async def _end_some(self, worker: SteppedWorker, drawn: list[Ending]) -> None:
        for entry, ending in zip(list(worker.running), drawn, strict=False):
            await self._end(worker, entry, ending)

    async def _end(self, worker: SteppedWorker, entry: HeldEntry, ending: Ending) -> None:
        before = await self._known_of(entry)
        self._count(_event_id(entry), ending)
        await worker.finish(entry, ending)
        after = await self._known_of(entry)
        if before[0] != worker.name:
            assert before == after, "a late end of a run changes nothing"
        elif ending == "failed" and entry.history.attempts + 1 < ATTEMPTS:
            assert after[0] == "@park", "it waits for its next attempt"
            assert after[1], "its attempt counts"

    async def _known_of(self, entry: HeldEntry) -> tuple[str | None, bytes | None]:
        """Say who holds an entry, and what the books say of it."""
        owner = (await pending(self.store, entry.stream)).get(entry.entry_id)
        return owner, (await histories(self.store)).get(entry.member)

    def _count(self, event_id: str, ending: Ending) -> None:
        match ending:
            case "done":
                self.successes[event_id] += 1
            case "failed":
                self.failures[event_id] += 1
            case "gave up":
                self.gave_up.add(event_id)

    @rule(
        stream=st.sampled_from(STREAMS), pauses=st.booleans(), coming=st.tuples(troubles, troubles)
    )
    def be_paused_or_resumed(
        self,
        stream: Stream,
        pauses: bool,  # noqa: FBT001 - drawn
        coming: tuple[list[Trouble | None], ...],
    ) -> None:
        """An operator pauses a stream or has it go on, and each worker hears of it, or does not."""
        pause = Pause(group=GROUP, pattern=parse_pattern(f"*:{stream.event_type}"))
        if pauses:
            self._do(self.store.hset(KEYS.paused, pause.field, "{}"))
        else:
            self._do(self.store.hdel(KEYS.paused, pause.field))
        for slot, trouble in zip(SLOTS, coming, strict=True):
            self._step(slot, trouble, SteppedWorker.obey)

    @rule(slot=slots, politely=st.booleans(), coming=troubles)
    def be_replaced(
        self,
        slot: str,
        politely: bool,  # noqa: FBT001 - drawn
        coming: list[Trouble | None],
    ) -> None:
        """A process dies, or ends as it should, and another begins in its place."""
        if politely:
            self._step(slot, coming, SteppedWorker.hand_back)
        worker = self.workers[slot]
        self._die(worker)
        self._do(worker.crash())
        self.stalled.discard(slot)
        self.start(slot)

    @rule(slot=slots)
    def stall_or_go_on(self, slot: str) -> None:
        """A process stands still until another takes it for dead; then it runs on unaware."""
        alive = KEYS.alive(GROUP, self.workers[slot].name)
        if slot in self.stalled:
            self._do(self.store.set(alive, "1", px=LONG_MS))
            self.stalled.discard(slot)
        else:
            self._die(self.workers[slot])
            self.stalled.add(slot)
            for other in SLOTS:
                self._step(other, [], lambda worker: self._take_in(worker, ALL_WAYS))

    def _die(self, worker: SteppedWorker) -> None:
        self.deaths.update(map(_event_id, worker.running))
        worker.lose_leases()
        self._do(self.store.delete(KEYS.alive(GROUP, worker.name)))

    # --- what must hold

    @invariant()
    def nothing_is_settled_without_a_reason(self) -> None:
        """What the group is done with was done, or is dead; what is dead has a reason."""
        if self.appended:
            self._do(self._check())

    async def _check(self) -> None:
        open_ids = await self._open()
        dead = [letter[b"id"].decode() for letter in await dead_letters(self.store)]

        assert len(dead) == len(set(dead)), "dead once at most"
        for event_id in set(self.appended) - open_ids:
            assert self.successes[event_id] or event_id in dead, f"{event_id} was lost"
        for event_id in dead:
            spent = self.failures[event_id] >= ATTEMPTS
            is_poison = self.deaths[event_id] >= POISON_STRIKES
            assert event_id in self.gave_up or spent or is_poison, f"{event_id}: why dead?"
            assert event_id not in open_ids, f"{event_id} is dead and not settled"

    async def _open(self) -> set[str]:
        """Give the ids of the events that the group has yet to read or to settle."""
        found = set()
        for stream in STREAMS:
            held = await pending(self.store, stream)
            (group,) = await self.store.xinfo_groups(stream.key)
            after = text_of(group["last-delivered-id"])
            unread: Any = await self.store.xrange(stream.key, f"({after}")
            found |= {text_of(fields[b"id"]) for _, fields in unread}
            for entry_id in held:
                entries: Any = await self.store.xrange(stream.key, entry_id, entry_id)
                found.add(text_of(entries[0][1][b"id"]))
        return found

    def teardown(self) -> None:
        """With all trouble over, one worker brings everything to its end."""
        try:
            if self.workers:
                self._do(self._bring_to_its_end())
        finally:
            self._do(self._close())
            self._loop.close()

    async def _bring_to_its_end(self) -> None:
        await self.store.delete(KEYS.paused)
        for worker in self.workers.values():
            while worker.house.held_back or worker.routes.resting:
                await worker.obey()
            await self.store.set(KEYS.alive(GROUP, worker.name), "1", px=LONG_MS)
        for _ in range(ROUNDS):
            for worker in self.workers.values():
                await self._work(worker)
            if not await self._open():
                break

        assert await self._open() == set(), "everything is settled"
        if self.appended:
            await self._check()
        assert await due_times(self.store) == {}
        assert await histories(self.store) == {}
        assert not await self.store.exists(KEYS.strikes(TAG, GROUP))

    async def _work(self, worker: SteppedWorker) -> None:
        await self._take_in(worker, ALL_WAYS)
        for entry in list(worker.running):
            self.successes[_event_id(entry)] += 1
            await worker.finish(entry, "done")
        await worker.flush()

    async def _close(self) -> None:
        for client in self._clients:
            await client.aclose()


async def _awaited(step: Awaitable[Any]) -> Any:
    return await step


def _event_id(entry: HeldEntry) -> str:
    return entry.fields[b"id"].decode()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait but acknowledgements, which wait to be flushed."""
    monkeypatch.setattr(sweep, "MIN_IDLE_MS", 0)
    monkeypatch.setattr(read, "BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(read, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(read, "LAST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(persist, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(persist, "LAST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(acks, "DELAY_SECONDS", 3600.0)


def live_through(make_client: Callable[[], Redis], share: float) -> None:
    """Have many lives drawn, a share of the usual number, and each judged."""
    machine: Any = lambda: Lives(make_client)  # noqa: E731 - hypothesis asks for a class
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=round(settings().max_examples * share),
            stateful_step_count=20,
            deadline=None,
            # Making a life that failed shorter takes minutes.
            phases=[phase for phase in Phase if phase != Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_each_event_ends_done_or_dead_in_memory() -> None:
    """For any interleaving of reading, running, settling, dying, stalling and lost answers."""
    server = FakeServer()

    live_through(lambda: fake_store(server), 0.2)


@pytest.mark.redis
def test_each_event_ends_done_or_dead_on_a_server(server: Server) -> None:
    """The same on a real one."""
    live_through(lambda: connect(server.url, role="test"), 0.5)
