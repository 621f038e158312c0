"""What `event.once` and `event.commit` do where there is no store: steps are kept in memory.

The rules are those of the scripts in ``consumers/effects``; the same tests run with both.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from consumers.consumer import Consumer
from consumers.effects.commit import Effects
from consumers.effects.once import Claim, IfUnknown, LeaseLost, State
from consumers.entry import HeldEntry
from consumers.settle import Settler
from consumers.testing.crash import Crash
from relay.contract.keys import Keys

# Script, keys, arguments; gives the reply.
OnCommit = Callable[[str, Sequence[str], Sequence[str | bytes | float]], Any]


class NeedsStore(Exception):
    """The test uses what only a store can do, and gave no stand-in for it."""


@dataclass(slots=True)
class _Step:
    token: str
    before: State
    result: bytes | None = None


@dataclass(slots=True)
class _Steps:
    until: float = 0.0
    by_name: dict[str, _Step] = field(default_factory=dict)


class Memory:
    """What is remembered of the steps of events, also from one run of a worker to the next."""

    def __init__(self) -> None:
        self._places: dict[str, _Steps] = {}

    def done(self, identity: str) -> set[str]:
        """Name the steps of an event that are done, in any group.

        Args:
            identity: The event's ``identity``.
        """
        return {
            name
            for place, steps in self._places.items()
            for name, step in steps.by_name.items()
            if place.endswith(identity) and step.result is not None
        }

    def begin(
        self, place: str, claim: Claim, if_unknown: IfUnknown, *, now: float, held: bool
    ) -> _Step:
        """Write that a step begins; see ``once.lua``.

        Raises:
            LeaseLost: The step is needed, and the event is not held any more.
        """
        steps = self._steps(place, claim, now)
        found = steps.by_name.get(claim.name)
        if not held and (found is None or found.result is None):
            raise LeaseLost(f"the event is settled: step {claim.name!r} was not begun")
        if found is None:
            found = steps.by_name[claim.name] = _Step(claim.token, "absent")
        elif found.result is None and found.token != claim.token:
            found = _Step(claim.token, "unknown")
            if if_unknown == "run":
                steps.by_name[claim.name] = found
        return found

    def end(self, place: str, claim: Claim, result: bytes | None, now: float) -> None:
        """Write how a step ended; see ``once_end.lua``."""
        steps = self._steps(place, claim, now)
        found = steps.by_name.get(claim.name)
        if found is not None and found.result is not None:
            return
        if result is not None:
            steps.by_name[claim.name] = _Step(claim.token, "absent", result)
        elif found is not None and found.token == claim.token and found.before == "absent":
            del steps.by_name[claim.name]

    def _steps(self, place: str, claim: Claim, now: float) -> _Steps:
        steps = self._places.get(place)
        if steps is None or steps.until <= now:
            steps = self._places[place] = _Steps()
        steps.until = max(steps.until, now + claim.keep_ms / 1000)
        return steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What takes the store's place for the effects of a run.

    Args:
        group: Whose steps they are.
        memory: Keeps them.
        now: Gives the time of day.
        crash_in_steps: Says, once for each event and step, whether the process dies in it.
        on_commit: Stands for the server in a commit.
    """

    group: str
    memory: Memory
    now: Callable[[], float]
    crash_in_steps: Callable[[Claim], bool] = lambda _: False
    on_commit: OnCommit | None = None

    def settler(self) -> Settler:
        """Make what effects ask for this process; it settles nothing."""
        nowhere = cast("Any", None)
        return Settler(Consumer(nowhere, Keys(), self.group, "in-memory"))


class MemoryEffects(Effects):
    """The effects of one run, in memory.

    Args:
        around: Takes the store's place.
        settler: Made by it.
        entry: Whose effects.
    """

    def __init__(self, around: Surroundings, settler: Settler, entry: HeldEntry) -> None:
        super().__init__(settler, entry)
        self._around = around
        self.missed_store: NeedsStore | None = None

    async def begin(self, claim: Claim, if_unknown: IfUnknown) -> tuple[State, bytes]:
        """Write that a step begins; see `consumers.effects.once.Steps`."""
        around, place = self._around, self.place(claim.identity)
        held = not self.committed
        step = around.memory.begin(place, claim, if_unknown, now=around.now(), held=held)
        return ("done", step.result) if step.result is not None else (step.before, b"")

    async def end(self, claim: Claim, outcome: Literal["done", "failed"], result: bytes) -> None:
        """Write how a step ended; see `consumers.effects.once.Steps`."""
        around = self._around
        if outcome == "done" and around.crash_in_steps(claim):
            raise Crash
        kept = result if outcome == "done" else None
        around.memory.end(self.place(claim.identity), claim, kept, around.now())

    async def commit(
        self, script: str, keys: Sequence[str], args: Sequence[str | bytes | float]
    ) -> Any:  # noqa: ANN401 - whatever the stand-in gives
        """Have the stand-in do what the script would; see `consumers.effects.commit.Effects`."""
        self.check_commit(keys, args)
        if self._around.on_commit is None:
            self.missed_store = NeedsStore(
                "event.commit runs Lua in a store, and here is none: say what the script does by "
                "on_commit=…, a function of script, keys and arguments, or test on a real server"
            )
            raise self.missed_store
        reply = self._around.on_commit(script, keys, args)
        if inspect.isawaitable(reply):
            reply = await reply
        self.committed = True
        return reply
