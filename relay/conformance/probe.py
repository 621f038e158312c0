"""What a check works with: it sends deliveries, and says what the answers should have been."""

import asyncio
from collections.abc import Iterable, Sequence

from relay.conformance.address import Address
from relay.conformance.answer import Answer
from relay.conformance.event import Event
from relay.conformance.target import Target
from relay.conformance.verdict import Finding, NotJudged
from relay.conformance.wire import Header, ask, head

# However large the numbers that are asked for: every one may be a real event to somebody.
MOST_DELIVERIES = 4000


class TooMany(Exception):
    """The bound on how many deliveries one run may send is reached."""


class Count:
    """Counts what a run sends, and stops it at a bound.

    Args:
        most: The bound.
    """

    def __init__(self, most: int = MOST_DELIVERIES) -> None:
        self._most = most
        self.sent = 0

    def one(self) -> None:
        """Count one more delivery.

        Raises:
            TooMany: It must not be sent.
        """
        if self.sent >= self._most:
            raise TooMany
        self.sent += 1


class Probe:
    """One check's way to the receiver, and its notes.

    Args:
        target: The receiver.
        check: Name of the check; it stands in the marks of its events.
        count: Counts the deliveries of the whole run.
    """

    def __init__(self, target: Target, check: str, count: Count) -> None:
        self.target = target
        self.check = check
        self._count = count
        self._events = 0
        self.findings: list[Finding] = []
        # By mark, in what words the event was sent.
        self.accepted: dict[str, str] = {}
        self.refused: dict[str, str] = {}

    # Makes.

    def event(self) -> Event:
        """Make an event of this check."""
        self._events += 1
        return self.target.maker.event(self.check, self._events)

    def events(self, number: int) -> list[Event]:
        """Make several."""
        return [self.event() for _ in range(number)]

    def request(
        self,
        event: Event,
        headers: Sequence[Header] = (),
        *,
        signature: str | bytes | None = None,
        method: str = "POST",
        address: Address | None = None,
    ) -> bytes:
        """Write the whole request of a delivery, and count it.

        Args:
            event: What it carries.
            headers: Besides what every delivery has.
            signature: Another than a good one; empty for no such header at all.
            method: Of the request.
            address: Another than the receiver's.
        """
        length = ("content-length", str(len(event.body)))
        lines = self._lines(event, [length, *headers], signature)
        return head(address or self.target.address, lines, method=method) + event.body

    def open(
        self,
        event: Event,
        headers: Sequence[Header] = (),
        signature: str | bytes | None = None,
    ) -> bytes:
        """Write the head of a delivery and count it; how long its body is, is the caller's."""
        return head(self.target.address, self._lines(event, headers, signature))

    def _lines(
        self, event: Event, headers: Sequence[Header], signature: str | bytes | None
    ) -> list[Header]:
        self._count.one()
        if signature is None:
            signature = self.target.signer.sign(event.body)
        signed: list[Header] = [(self.target.signer.header, signature)] if signature else []
        usual: list[Header] = [("content-type", "application/json")]
        named = {name for name, _ in headers}
        return [line for line in usual if line[0] not in named] + signed + list(headers)

    # Sends.

    async def ask(self, *pieces: bytes) -> Answer:
        """Send a request on a connection of its own."""
        return await ask(self.target.address, *pieces, seconds=self.target.deadline_seconds)

    async def deliver(
        self, event: Event, headers: Sequence[Header] = (), *, signature: str | bytes | None = None
    ) -> Answer:
        """Send a delivery on a connection of its own."""
        return await self.ask(self.request(event, headers, signature=signature))

    async def together(self, requests: Iterable[bytes]) -> list[Answer]:
        """Send requests at the same moment, each on a connection of its own."""
        return list(await asyncio.gather(*map(self.ask, requests)))

    # Judges.

    def must_accept(self, sent: str, answer: Answer, event: Event | None = None) -> None:
        """Note what a good delivery was answered.

        Args:
            sent: What it was, in a few words.
            answer: The receiver's.
            event: To be looked for behind the receiver.

        Raises:
            NotJudged: It says that it can take none now.
        """
        self._unless_later(answer)
        if not answer.accepted:
            self.wrong(sent, answer, "2xx")
        elif event is not None:
            self.accepted[event.mark] = sent

    def must_refuse(
        self, sent: str, answer: Answer, event: Event | None = None, *, or_close: bool = False
    ) -> None:
        """Note what a delivery was answered that nobody may take.

        Args:
            sent: What it was, in a few words.
            answer: The receiver's.
            event: To be looked for behind the receiver, where its mark was sent in no other way.
            or_close: It is so broken that closing the connection is an answer.

        Raises:
            NotJudged: It says that it can take none now.
        """
        self._unless_later(answer)
        if not (answer.refused or (or_close and _is_protocols(answer))):
            self.wrong(sent, answer, "4xx, or the end of the connection" if or_close else "4xx")
        elif event is not None:
            self.refused[event.mark] = sent

    def must_cope(self, sent: str, answer: Answer, *, or_close: bool = False) -> None:
        """Note what something odd was answered, which a receiver may take or refuse.

        Raises:
            NotJudged: It says that it can take none now.
        """
        self._unless_later(answer)
        copes = answer.accepted or answer.refused or (or_close and _is_protocols(answer))
        if not copes:
            self.wrong(sent, answer, "2xx or 4xx")

    def wrong(self, sent: str, answer: Answer | str, expected: str) -> None:
        """Note what was wrong."""
        answered = answer if isinstance(answer, str) else answer.shown()
        self.findings.append(Finding(sent, answered, expected))

    def _unless_later(self, answer: Answer) -> None:
        if answer.try_later:
            raise NotJudged(f"it answered {answer.shown()} with Retry-After: try again later")


def _is_protocols(answer: Answer) -> bool:
    """Tell whether what reads HTTP has refused: it knows no such thing, or has hung up."""
    return answer.closed or answer.status in {408, 501, 505}
