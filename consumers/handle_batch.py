"""Events and handler in, an outcome for each of them out: runs a handler on a batch."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from consumers.calling.call import bound_batch
from consumers.event import Event
from consumers.handle import Runner
from consumers.outcome import Done, Failed, Outcome, Skipped


class BatchRunner(Runner):
    """Runs one handler that takes a list of events.

    No middleware is around it: each of them is made for one event.
    """

    def provide(self, resources: Mapping[str, Any]) -> None:
        """Prepare the call, so that a run has nothing to look up.

        Args:
            resources: What is open, by name.
        """
        self._function = bound_batch(self._handler.function, resources)
        self._call = self._function if self._is_async else self._in_thread

    async def run_batch(self, events: Sequence[Event]) -> list[Outcome]:
        """Run the handler on several events at once.

        Args:
            events: In any order; those that the handler does not take are kept from it.

        Returns:
            For each event, in their order, how it ended. Nothing is raised but what ends the
            process.
        """
        wanted = [event for event in events if not self.refuses(event)]
        ended = iter(await self._run_wanted(wanted) if wanted else ())
        return [Skipped("unverified") if self.refuses(event) else next(ended) for event in events]

    async def _run_wanted(self, events: list[Event]) -> list[Outcome]:
        count = len(events)  # the list itself is the handler's from here on
        outcome, returned = await self.attempt(events)
        if not isinstance(outcome, Done) or returned is None:
            return [outcome] * count
        if not _tells_of_each(returned, count):
            return [_unclear(returned, count)] * count
        return [Done() if error is None else self.judge(error) for error in returned]


def _tells_of_each(returned: object, count: int) -> bool:
    return (
        isinstance(returned, list | tuple)
        and len(returned) == count
        and all(one is None or _is_failure(one) for one in returned)
    )


def _is_failure(one: object) -> bool:
    # `asyncio.gather(…, return_exceptions=True)` gives a cancellation like any other exception.
    return isinstance(one, Exception | asyncio.CancelledError)


def _unclear(returned: Any, count: int) -> Failed:  # noqa: ANN401 - whatever the user returned
    """Fail what nothing certain was said of: an event must not be acknowledged by mistake."""
    of = f" of {len(returned)}" if isinstance(returned, list | tuple) else ""
    return Failed(
        "TypeError",
        f"TypeError: the handler returned a {type(returned).__name__}{of}; return None, or a list "
        f"with None or an exception for each of the {count} events",
    )
