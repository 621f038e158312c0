"""A handler's steps that should run once: what is known of each, and what becomes of it.

A step is written down before it begins and after it has ended. One that was begun and not ended
has an unknown outcome, which only the handler can judge. Where it is written is another's duty.
"""

import inspect
import math
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Literal, Protocol

import msgspec

from consumers.outcome import GiveUp, are_exceptions

State = Literal["absent", "unknown", "done"]
IfUnknown = Literal["run", "raise"]
FailedOn = tuple[type[Exception], ...]

KEEP_SECONDS = 7 * 86_400.0
MAX_KEEP_SECONDS = 366 * 86_400.0
MAX_NAME_CHARACTERS = 200
MAX_RESULT_BYTES = 1024


class OutcomeUnknown(GiveUp):
    """A step that must not run twice was begun by an earlier run, and nobody knows its end.

    Let out of the handler, it sends the event to the dead letters with the reason
    ``outcome_unknown``: trying again is what was forbidden.
    """

    reason = "outcome_unknown"


class LeaseLost(Exception):
    """The event is in other hands by now, or settled: nothing was begun here."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One try at one step.

    Args:
        identity: Of the event.
        name: Of the step.
        token: Tells this try from all others, also where it is sent twice.
        keep_ms: How long the event's steps are remembered from now on.
    """

    identity: str
    name: str
    token: str
    keep_ms: int


class Steps(Protocol):
    """Where the steps of a group are written down."""

    async def begin(self, claim: Claim, if_unknown: IfUnknown) -> tuple[State, bytes]:
        """Write that a step begins, unless it is done, or unknown and must not run again.

        Returns:
            What was known of it before; and its result as JSON where it is done.

        Raises:
            LeaseLost: The entry is not this process's; nothing was written.
        """

    async def end(self, claim: Claim, outcome: Literal["done", "failed"], result: bytes) -> None:
        """Write how a step ended.

        Args:
            claim: As it was begun.
            outcome: ``failed`` where its effect certainly did not happen.
            result: JSON, kept where it is done.
        """

    def place(self, identity: str) -> str:
        """Name the key of an event's steps, for people."""

    def note(self, asked: Coroutine[Any, Any, Any]) -> None:
        """Remember what must come to its end before the event may count as done."""


class Step:
    """A step within its block.

    Args:
        name: Its name within the event.
        state: What was known of it before: ``absent``, ``unknown`` or ``done``.
        result: What it gave when it was done, if that was kept. Set it within the block to keep
            something that JSON can hold, at most 1 KiB.
    """

    __slots__ = ("name", "result", "state")

    def __init__(self, name: str, state: State, result: Any) -> None:  # noqa: ANN401 - any JSON
        self.name = name
        self.state = state
        self.result = result

    @property
    def needed(self) -> bool:
        """Whether the step has yet to be done."""
        return self.state != "done"


class Once:
    """One step of one event: a block that asks whether it is needed, or a call.

    Args:
        steps: Where it is written down.
        identity: Of the event.
        name: Of the step within the event, 1 to 200 characters.
        if_unknown: Whether to run again what was begun and not ended.
        failed_on: Exceptions which tell that the effect certainly did not happen.
        keep_seconds: How long the event's steps are remembered, above 0.

    Raises:
        ValueError: One of these is not what it must be.
    """

    def __init__(
        self,
        steps: Steps,
        identity: str,
        name: str,
        *,
        if_unknown: IfUnknown = "run",
        failed_on: FailedOn = (),
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        _check(name, if_unknown, failed_on, keep_seconds)
        self._steps = steps
        self._identity = identity
        self._name = name
        self._keep_ms = math.ceil(1000 * keep_seconds)
        self._claim = self._new_claim()
        self._if_unknown = if_unknown
        self._failed_on = failed_on
        self._step: Step | None = None

    async def __aenter__(self) -> Step:
        """Begin the step where it is needed.

        Raises:
            OutcomeUnknown: It was begun and not ended, and must not run again.
            LeaseLost: The event is in other hands by now.
        """
        self._step = None
        self._claim = self._new_claim()
        state, result = await self._steps.begin(self._claim, self._if_unknown)
        if state == "unknown" and self._if_unknown == "raise":
            raise OutcomeUnknown(self._advice())
        self._step = Step(self._name, state, _read(result))
        return self._step

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """Write how it ended. After an exception that tells nothing it stays unknown.

        Raises:
            ValueError: The result cannot be kept. The step is done all the same.
        """
        if self._step is None or not self._step.needed:
            return
        if error is None:
            self._step.result = await self._done(self._step.result)
        elif isinstance(error, self._failed_on):
            await self._steps.end(self._claim, "failed", b"")

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,  # noqa: ANN401 - passed on
        **kwargs: Any,  # noqa: ANN401 - passed on
    ) -> Coroutine[Any, Any, Any]:
        """Call a function where the step is needed, and give what it gave, now or back then.

        To be awaited.

        Args:
            function: A coroutine function, or a plain one that does not block.
            args: Its arguments.
            kwargs: Its named arguments.

        Returns:
            When awaited, what the function returned, in the form in which JSON holds it; at most
            1 KiB.

        Raises:
            OutcomeUnknown: It was begun and not ended, and must not run again.
            LeaseLost: The event is in other hands by now.
            ValueError: The result cannot be kept. The step is done all the same.
        """
        running = self._run(partial(function, *args, **kwargs))
        self._steps.note(running)
        return running

    async def _run(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it gives
        async with self as step:
            if step.needed:
                result = call()
                step.result = await result if inspect.isawaitable(result) else result
        return step.result

    def _new_claim(self) -> Claim:
        # A second block sees what became of the first, also one of the same object.
        return Claim(self._identity, self._name, secrets.token_hex(8), self._keep_ms)

    async def _done(self, result: Any) -> Any:  # noqa: ANN401 - any JSON
        try:
            written = msgspec.json.encode(result)
        except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
            written = b""
        fits = 0 < len(written) <= MAX_RESULT_BYTES
        # The effect has happened, so that is written down first, whatever its result is like.
        await self._steps.end(self._claim, "done", written if fits else b"null")
        if not fits:
            raise ValueError(
                f"step {self._name!r} is done, but its result cannot be kept: it must be "
                f"something that JSON can hold, in at most {MAX_RESULT_BYTES} bytes"
            )
        return _read(written)  # as every later run will have it

    def _advice(self) -> str:
        place = self._steps.place(self._identity)
        return (
            f"step {self._name!r} was begun by an earlier run, and nobody knows whether it was "
            f"done. If it was not, let it run again: HDEL {place} {self._name}"
        )


def _read(result: bytes) -> Any:  # noqa: ANN401 - any JSON
    return msgspec.json.decode(result) if result else None


def check_name(name: object, what: str) -> None:
    """Refuse what cannot name a step or a key.

    Args:
        name: What the handler gave.
        what: What it should name, for people.

    Raises:
        ValueError: It is not a text of 1 to 200 characters that UTF-8 can write.
    """
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise ValueError(f"{what} is a text of 1 to {MAX_NAME_CHARACTERS} characters")
    name.encode()  # half an emoji could not be written down


def _check(name: object, if_unknown: object, failed_on: object, keep_seconds: object) -> None:
    check_name(name, "a step's name")
    if if_unknown not in {"run", "raise"}:
        raise ValueError('if_unknown is "run" or "raise"')
    # Else that would come to light after the effect, and leave its outcome unknown.
    if not are_exceptions(failed_on):
        raise ValueError("failed_on is a tuple of exceptions, as (Declined,)")
    if not isinstance(keep_seconds, int | float) or not 0 < keep_seconds <= MAX_KEEP_SECONDS:
        raise ValueError("keep_seconds is a number of seconds above 0, a year at most")
