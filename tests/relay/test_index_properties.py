"""What holds of the dedupe index for any history, in memory and on real servers."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.append.script import Verdict
from relay.contract.errors import StoreUnavailable
from relay.contract.event import Assurance, IdentifiedEvent, IdentityKind
from relay.contract.keys import UNIDENTIFIED
from tests.making import make_identified
from tests.relay.clocked import KEYS, TAG, TYPES, Clocked, InMemory, OnServer, spoilt
from tests.relay.remembering import Model, parsed
from tests.servers import Server

Check = Callable[[list[Any]], None]

WINDOWS_SECONDS = (60, 240)
FIRST_OF_FLOOD = 1000


class Sent(NamedTuple):
    """One delivery."""

    number: int
    event_type: str
    body: bytes
    kind: IdentityKind
    assurance: Assurance
    window_seconds: int


class Send(NamedTuple):
    """Deliveries come, in one call of the script or in several."""

    deliveries: list[Sent]
    events_per_call: int


class Flood(NamedTuple):
    """So many events come that nobody has seen before."""

    events: int
    window_seconds: int


class Move(NamedTuple):
    """The store's clock moves, or jumps back."""

    ms: int


class Delete(NamedTuple):
    """Somebody deletes a stream."""

    event_type: str


class Spoil(NamedTuple):
    """A key of the index has the wrong type while deliveries come: one of its keys, by rank."""

    rank: int
    deliveries: list[Sent]


DELIVERIES = st.lists(
    st.builds(
        Sent,
        number=st.integers(0, 3) | st.integers(FIRST_OF_FLOOD, FIRST_OF_FLOOD + 5),
        event_type=st.sampled_from(TYPES),
        body=st.sampled_from([b"", b"\xff"]),
        kind=st.sampled_from(["ids", "ids", "ids", "bodies"]),
        assurance=st.sampled_from(["body", "body", "body", "none"]),
        window_seconds=st.sampled_from(WINDOWS_SECONDS),
    ),
    min_size=1,
    max_size=6,
)
# To a border of a slice or a window, and one ms beside it; and anywhere.
MOVES = st.builds(
    lambda halves, beside, sign: Move(sign * (halves * 15_000 + beside)),
    halves=st.integers(0, 16),
    beside=st.sampled_from([-1, 0, 1]),
    sign=st.sampled_from([1, 1, 1, -1]),
) | st.builds(Move, st.integers(-1000, 1000))
STEPS = st.lists(
    st.one_of(
        st.builds(Send, DELIVERIES, st.integers(1, 6)),
        st.builds(Send, DELIVERIES, st.integers(1, 6)),
        MOVES,
        MOVES,
        st.builds(Flood, st.integers(1, 400), st.sampled_from(WINDOWS_SECONDS)),
        st.builds(Delete, st.sampled_from(TYPES)),
        st.builds(Spoil, st.integers(0, 50), DELIVERIES),
    ),
    max_size=12,
)


def identified(sent: Sent) -> IdentifiedEvent:
    """Make the event of a delivery; the tag has room for two types."""
    return make_identified(
        f"evt_{sent.number}",
        sent.event_type,
        data=sent.body,
        kind=sent.kind,
        assurance=sent.assurance,
        window_seconds=sent.window_seconds,
        max_types=2,
    )


class Play:
    """Plays a history to a store and a model at once."""

    def __init__(self, store: Clocked) -> None:
        self.store = store
        self.model = Model()
        self.flooded = 0

    def step(self, step: Send | Flood | Move | Delete | Spoil) -> None:
        """Do one thing."""
        match step:
            case Send(deliveries, events_per_call):
                self._send([identified(sent) for sent in deliveries], events_per_call)
            case Flood(events, window_seconds):
                first = FIRST_OF_FLOOD + self.flooded
                self.flooded += events
                numbers = range(first, first + events)
                sent = [Sent(n, "a", b"", "ids", "body", window_seconds) for n in numbers]
                self._send([identified(one) for one in sent], 128)
            case Move(ms):
                self.store.now_ms += ms
                self.model.latest_ms = max(self.model.latest_ms, self.store.now_ms)
            case Delete(event_type):
                self.store.client.delete(KEYS.stream(TAG, event_type))
                self.model.delete_stream(event_type)
            case Spoil(rank, deliveries):
                self._spoil(rank, [identified(sent) for sent in deliveries])

    def _send(self, events: list[IdentifiedEvent], events_per_call: int) -> None:
        for start in range(0, len(events), events_per_call):
            batch = events[start : start + events_per_call]
            for event, verdict in zip(batch, self.store.append(*batch), strict=True):
                self.model.judge(event, verdict, self.store.now_ms)

    def _spoil(self, rank: int, events: list[IdentifiedEvent]) -> None:
        found: Any = self.store.client.keys("*@seen*")
        keys = sorted(key.decode() for key in found) or [KEYS.seen(TAG, "ids")]
        key = keys[rank % len(keys)]
        with spoilt(self.store.client, key):
            verdicts = self.store.append(*events)
        for event, verdict in zip(events, verdicts, strict=True):
            if not self._is_refused(event, verdict, key):
                self.model.judge(event, verdict, self.store.now_ms)

    def _is_refused(self, event: IdentifiedEvent, verdict: Verdict, key: str) -> bool:
        """Tell a refusal, which must come from the key; every event of a spoilt book has one."""
        make = KEYS.seen_none if event.event.assurance == "none" else KEYS.seen
        book = make(TAG, event.kind)
        if not isinstance(verdict.result, StoreUnavailable):
            assert key != book
            return False

        assert "WRONGTYPE" in str(verdict.result)
        assert key == book or key.startswith(f"{book}:")
        return True

    def finish(self) -> None:
        """Assert that the streams hold what was appended, and that the index will end."""
        client = self.store.client
        for name in (*TYPES, UNIDENTIFIED):
            entries: Any = client.xrange(KEYS.stream(TAG, name))
            held = [parsed(entry_id.decode()) for entry_id, _ in entries]

            assert held == self.model.stored(name), name

        found: Any = client.keys("*@seen*")

        assert [key for key in found if client.ttl(key) == -1] == []


def play(store: Clocked, steps: list[Any]) -> None:
    """Play a whole history."""
    game = Play(store)
    for step in steps:
        game.step(step)
    game.finish()


EVENT = Sent(0, "a", b"", "ids", "body", 60)
# Known until one ms before the window is over, and new from then on.
BORDER = [Send([EVENT], 1), Move(59_999), Send([EVENT], 1), Move(1), Send([EVENT], 1)]
# The clock jumps a window ahead, an event comes, and then it jumps back.
JUMP = [Send([EVENT], 1), Move(61_000), Send([EVENT], 1), Move(-61_000), Send([EVENT], 1)]
# The window is made longer and shorter while marks live.
CHANGE = [
    Send([EVENT, EVENT._replace(window_seconds=240)], 1),
    Move(59_000),
    Send([EVENT._replace(window_seconds=240, number=1), EVENT], 2),
    Move(1000),
    Send([EVENT, EVENT._replace(number=1)], 2),
]

# In the last ms of a slice, and as long after it as a slice must be looked up.
LATE = [Move(19_999), Send([EVENT], 1), Move(59_999), Send([EVENT], 1), Move(1), Send([EVENT], 1)]
# A generation begins within a call, and what it got is known at once.
NEW = [EVENT._replace(number=number) for number in range(110)]
GROWTH = [Send([*NEW, *NEW], 220), Send(NEW, 128)]
# Time went back: the mark that is found first is of a stream that is gone, the next one is good.
STALE = [
    Move(30_000),
    Send([EVENT._replace(event_type="b")], 1),
    Delete("b"),
    Move(-30_000),
    Send([EVENT], 1),
    Move(30_000),
    Send([EVENT], 1),
]

# Time went back into a slice whose buckets have expired meanwhile, though its book has not.
BACK = [
    Send([EVENT._replace(number=number) for number in range(60)], 60),
    Move(30_000),
    Send([EVENT._replace(number=60)], 1),
    Move(70_000),
    Send([EVENT._replace(number=61)], 1),
    Move(-100_000),
    Send([EVENT._replace(number=62)], 1),
]


def past_faults(test: Check) -> Check:
    """Play them too, in every run."""
    for steps in (BORDER, JUMP, CHANGE, LATE, GROWTH, STALE, BACK):
        test = example(steps)(test)
    return test


# Real servers keep it for as many again, and take a tenth of the time.
@settings(max_examples=settings().max_examples * 2 // 5)
@given(STEPS)
@past_faults
def test_the_index_keeps_its_promise(steps: list[Any]) -> None:
    """Within its window an event has one entry, after it another; errors are never unknown."""
    play(InMemory(), steps)


@pytest.mark.redis
@pytest.mark.parametrize("name", ["valkey", "redis"])
def test_a_real_server_keeps_it_too(name: str, shared_servers: Callable[[str], Server]) -> None:
    """The same on a real server, with a clock that the test moves."""
    server = shared_servers(name)
    with ExitStack() as stack:
        client = stack.enter_context(server.client())

        @given(STEPS)
        @past_faults
        def check(steps: list[Any]) -> None:
            client.flushall()
            play(OnServer(client), steps)

        check()
        client.flushall()
