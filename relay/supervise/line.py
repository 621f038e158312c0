"""The parent's ends of the talk with its children, and the sum of what they count.

Questions go out and answers come in, each within its time; a child that hangs or has gone never
holds up whoever asks. What an ended child had counted stays in the sum, so that no counter falls.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from relay.contract.ready import Ready as IsReady
from relay.contract.tally import Families, Family, Tally, lasting, total
from relay.supervise.messages import (
    Accepting,
    AskReady,
    AskTally,
    AtOnce,
    Channel,
    Counted,
    Message,
    Ready,
    RunOut,
)

TALLY_SECONDS = 0.5
# A little more than a child gives its store.
READY_SECONDS = 1.5
LAST_WORDS_SECONDS = 0.5


class Line:
    """The talk with one child, from its start until its end.

    Args:
        channel: Our end.
        ended: Is called once, when the child has nothing more to say.
    """

    def __init__(self, channel: Channel, ended: Callable[["Line"], None]) -> None:
        self.tally = Tally()
        self.is_accepting = False
        self._channel = channel
        self._ended = ended
        self._accepting = asyncio.get_running_loop().create_future()
        self._asked: dict[type[Message], asyncio.Future[Message]] = {}
        self._listener = asyncio.create_task(self._listen(), name="listen-to-child")

    async def begin(self, begin: msgspec.Struct | None = None) -> bool:
        """Wait until the child takes work; false where it has gone.

        Args:
            begin: What it is told before that, if anything.
        """
        if begin is not None:
            await self._channel.send(begin)
        await asyncio.wait({self._accepting, self._listener}, return_when=asyncio.FIRST_COMPLETED)
        return self.is_accepting

    async def run_out(self) -> None:
        """Ask the child to finish what is in flight, and to end."""
        self.is_accepting = False
        await self._channel.send(RunOut())

    def hurry(self) -> None:
        """Ask a child that ends to give what is in flight no more time."""
        self._channel.say(AtOnce())

    async def finish(self) -> None:
        """Hear the last words of a child that has ended, and let go."""
        # What it has started itself may hold its end open.
        await asyncio.wait({self._listener}, timeout=LAST_WORDS_SECONDS)
        self._channel.close()

    async def count(self) -> None:
        """Have its tally renewed, within half a second."""
        await self._answer(AskTally(), Counted, TALLY_SECONDS)

    async def is_ready(self) -> IsReady:
        """Ask whether it could do its work now."""
        answer = await self._answer(AskReady(), Ready, READY_SECONDS)
        return answer.ready if isinstance(answer, Ready) else False

    async def _answer(
        self, question: Message, kind: type[Message], seconds: float
    ) -> Message | None:
        asked = self._asked.get(kind)
        if asked is None or asked.done():
            asked = self._asked[kind] = asyncio.get_running_loop().create_future()
            await self._channel.send(question)
        # Whoever asks a child that hangs waits for the same answer: nothing is heaped up.
        either: set[asyncio.Future[Any]] = {asked, self._listener}
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return asked.result() if asked.done() else None

    async def _listen(self) -> None:
        try:
            while (message := await self._channel.receive()) is not None:
                self._hear(message)
        finally:
            self.is_accepting = False
            self._channel.close()
            self._ended(self)

    def _hear(self, message: msgspec.Struct) -> None:
        if isinstance(message, Accepting):
            self.is_accepting = True
            self._accepting.set_result(None)
        if isinstance(message, Counted):
            self.tally = message.tally
        if isinstance(message, Ready) or (isinstance(message, Counted) and message.asked):
            asked = self._asked.get(type(message))
            if asked is not None and not asked.done():
                asked.set_result(message)


class Lines:
    """All children that have not ended, those that only finish what is in flight too.

    Args:
        families: What they count.
        processes: The gauge of how many take work, one that has no labels; none where each child
            counts itself.
    """

    def __init__(self, families: Families, processes: Family | None = None) -> None:
        self._families = families
        self._processes = processes
        self._open: set[Line] = set()
        self._past = Tally()

    def open(self, channel: Channel) -> Line:
        """Talk with a child that was just started."""
        line = Line(channel, self._remember)
        self._open.add(line)
        return line

    async def tally(self) -> Tally:
        """Sum up what all children, past ones too, have counted."""
        await asyncio.gather(*(line.count() for line in self._open))
        # From here on without a pause, or a child that ends meanwhile would count twice.
        accepting = sum(line.is_accepting for line in self._open)
        own = Tally()
        if self._processes is not None:
            own.gauges.append((self._processes.name, (), accepting))
        return total([self._past, own, *(line.tally for line in self._open)], self._families)

    async def is_ready(self) -> IsReady:
        """Tell whether any child could do its work now; one that could as it should decides."""
        asking = [asyncio.create_task(line.is_ready()) for line in self._open if line.is_accepting]
        best: IsReady = False
        try:
            for asked in asyncio.as_completed(asking):
                answer = await asked
                if answer is True:
                    return True
                best = best or answer
        finally:
            for task in asking:
                task.cancel()
        return best

    def _remember(self, line: Line) -> None:
        self._open.discard(line)
        self._past = total([self._past, lasting(line.tally)], self._families)
