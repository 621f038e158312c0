"""For any history of outages, refusals, lost answers and crashes: nothing lost, doubled, turned."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from relay.contract.event import Appended, Duplicate, Spooled
from relay.spool import breaker, held_up
from relay.spool import spooling as spooling_module
from relay.spool.row import Stream
from tests.relay.spool.parts import A, B, Bench, Store, crash
from tests.relay.spool.servers import A as ON_A
from tests.relay.spool.servers import B as ON_B
from tests.relay.spool.servers import Servers
from tests.waiting import wait_until

PAUSES = (
    (breaker, "PROBE_SECONDS", 0.002),
    (held_up, "FIRST_PAUSE_SECONDS", 0.001),
    (held_up, "LAST_PAUSE_SECONDS", 0.002),
    (spooling_module, "LAST_TRY_SECONDS", 0.01),
)


class Histories(RuleBasedStateMachine):
    """A gateway with a spool whose store fails in every way, and which is killed at times."""

    streams: tuple[Stream, Stream] = (A, B)

    def __init__(self) -> None:
        super().__init__()
        self.before = [(module, name, getattr(module, name)) for module, name, _ in PAUSES]
        for module, name, value in PAUSES:
            setattr(module, name, value)
        self.path = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.store = self.make_store()
        self.sent = 0
        # What was answered 200, in order, by stream.
        self.accepted: dict[Stream, list[str]] = {stream: [] for stream in self.streams}
        self.bench = self.run(self.begin())

    def make_store(self) -> Store:
        """Make what events are stored in."""
        return Store()

    def run(self, step: Any) -> Any:
        """Take a step of the loop."""
        return self.loop.run_until_complete(asyncio.wait_for(step, 20))

    async def begin(self) -> Bench:
        """Start a gateway."""
        bench = Bench(self.path, self.store, spread=self.streams != (A, B))
        await bench.spooling.start()
        return bench

    @rule(number=st.sampled_from([0, 1]), count=st.integers(1, 5))
    def send(self, number: int, count: int) -> None:
        """Send some events, each after the answer to the one before."""
        stream = self.streams[number]
        for _ in range(count):
            self.sent += 1
            (result,) = self.run(self.bench.send(f"{self.sent}", stream=stream))
            if isinstance(result, Appended | Duplicate | Spooled):
                self.accepted[stream].append(f"{self.sent}")

    @rule(is_away=st.booleans())
    def go_away(self, *, is_away: bool) -> None:
        """The store goes, or comes back."""
        self.store.is_away = is_away

    @rule(is_full=st.booleans())
    def fill(self, *, is_full: bool) -> None:
        """The store is full, or has room."""
        self.store.is_full = is_full

    @rule(loses=st.booleans())
    def lose(self, *, loses: bool) -> None:
        """Answers are lost, or are not."""
        self.store.loses_answers = loses

    @rule(number=st.sampled_from([0, 1]), refuses=st.booleans())
    def refuse(self, number: int, *, refuses: bool) -> None:
        """The store refuses a stream, or takes it."""
        stream = self.streams[number]
        (self.store.refused.add if refuses else self.store.refused.discard)(stream)

    @rule(seconds=st.sampled_from([0.0, 0.003, 0.02]))
    def wait(self, seconds: float) -> None:
        """Let the gateway drain for a moment."""
        self.run(asyncio.sleep(seconds))

    @rule()
    def crash(self) -> None:
        """Kill the gateway, and start another."""
        self.run(crash(self.bench))
        self.bench = self.run(self.begin())

    @rule()
    def restart(self) -> None:
        """Stop the gateway, and start another."""
        self.run(self.bench.spooling.stop())
        self.bench = self.run(self.begin())

    @invariant()
    def nothing_is_doubled(self) -> None:
        """An event has one entry at most."""
        for stream in self.streams:
            ids = self.store.ids(stream)

            assert len(ids) == len(set(ids))

    def teardown(self) -> None:
        """At the end of all trouble each accepted event is in its stream, in order."""
        store = self.store
        store.is_away = store.is_full = store.loses_answers = False
        store.refused.clear()
        try:
            self.run(wait_until(lambda: not self.bench.spool.events, description="drained"))
            for stream in self.streams:
                accepted = self.accepted[stream]
                ids = store.ids(stream)

                assert [event_id for event_id in ids if event_id in set(accepted)] == accepted
            self.nothing_is_doubled()
        finally:
            self.run(self.bench.spooling.stop())
            self.loop.close()
            shutil.rmtree(self.path)
            for module, name, value in self.before:
                setattr(module, name, value)


class SpreadHistories(Histories):
    """The same in front of two servers, each of which goes and comes by itself."""

    streams = (ON_A, ON_B)

    def __init__(self) -> None:
        self.servers = Servers()
        super().__init__()

    def make_store(self) -> Store:
        """Make what events are stored in."""
        return self.servers

    @rule(tag=st.sampled_from([ON_A[0], ON_B[0]]), is_away=st.booleans())
    def one_goes_away(self, tag: str, *, is_away: bool) -> None:
        """A server goes, or comes back."""
        (self.servers.away.add if is_away else self.servers.away.discard)(tag)

    @rule(tag=st.sampled_from([ON_A[0], ON_B[0]]), is_full=st.booleans())
    def one_is_full(self, tag: str, *, is_full: bool) -> None:
        """A server is full, or has room."""
        (self.servers.full.add if is_full else self.servers.full.discard)(tag)

    @rule(is_away=st.booleans())
    def go_away(self, *, is_away: bool) -> None:
        """All go, or come back."""
        self.servers.away = {ON_A[0], ON_B[0]} if is_away else set()

    def teardown(self) -> None:
        """The same, when all are back."""
        self.servers.away.clear()
        self.servers.full.clear()
        super().teardown()


def test_any_history_of_several_servers_keeps_the_promises() -> None:
    """Whatever each of them does, and whenever."""
    examples = settings().max_examples // 5
    run_state_machine_as_test(
        SpreadHistories,
        settings=settings(max_examples=examples, stateful_step_count=25, deadline=None),
    )


def test_any_history_keeps_the_promises() -> None:
    """Whatever fails and dies in whatever order, each accepted event has one entry, in order."""
    examples = settings().max_examples * 3 // 10
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None)
    )
