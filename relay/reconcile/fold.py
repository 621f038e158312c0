"""Attempts in, events out: which of them were delivered never, and how each attempt ended.

Pure. Of an event that was delivered only a digest is kept, so that a million attempts fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from relay.append.known import digest_of_id
from relay.unipile.failures import Unreadable
from relay.unipile.shapes import Conversation


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that failed.

    Args:
        at_ms: When it was made, ms since the epoch by the sender's clock.
        status: What was answered; none where nothing was.
    """

    at_ms: int
    status: int | None


@dataclass(slots=True)
class Undelivered:
    """An event of which every attempt failed.

    Args:
        event_id: The sender's id of it.
        event_type: As the sender calls it.
        attempts: All that were read.
        endpoint_ids: Of the sender's endpoints to which it was sent.
        begun_at: Those of them of which its first attempt was read.
    """

    event_id: str
    event_type: str
    attempts: list[Attempt] = field(default_factory=list)
    endpoint_ids: set[str] = field(default_factory=set)
    begun_at: set[str] = field(default_factory=set)

    @property
    def first_ms(self) -> int:
        """When its first attempt was made, of those that were read."""
        return min(attempt.at_ms for attempt in self.attempts)

    @property
    def last_ms(self) -> int:
        """When its last attempt was made."""
        return max(attempt.at_ms for attempt in self.attempts)

    @property
    def is_whole(self) -> bool:
        """Whether no earlier attempt of it is missing."""
        return self.begun_at == self.endpoint_ids


class Fold:
    """Puts the attempts of each event together, in whatever order they come.

    Args:
        since_ms: Attempts before this are passed over, ms since the epoch.
    """

    def __init__(self, since_ms: int) -> None:
        self.since_ms = since_ms
        self.attempts = 0
        self.oldest_ms: int | None = None
        self.newest_ms: int | None = None
        self._delivered: set[bytes] = set()
        self._undelivered: dict[str, Undelivered] = {}

    @property
    def events(self) -> int:
        """How many events there were."""
        return len(self._delivered) + len(self._undelivered)

    def add(self, endpoint_id: str, conversation: Conversation) -> int:
        """Take an attempt.

        Args:
            endpoint_id: Of the sender's endpoint whose log has it.
            conversation: It.

        Returns:
            When it was made, ms since the epoch.

        Raises:
            Unreadable: It does not say when it was made.
        """
        at_ms = time_of(conversation)
        if at_ms < self.since_ms:
            return at_ms
        self.attempts += 1
        self.oldest_ms = at_ms if self.oldest_ms is None else min(self.oldest_ms, at_ms)
        self.newest_ms = at_ms if self.newest_ms is None else max(self.newest_ms, at_ms)
        digest = digest_of_id(conversation.event_id)
        if conversation.succeeded:
            self._delivered.add(digest)
            self._undelivered.pop(conversation.event_id, None)
        elif digest not in self._delivered:
            self._add_failed(endpoint_id, conversation, at_ms)
        return at_ms

    def undelivered(self) -> Iterator[Undelivered]:
        """Give the events of which no attempt succeeded, in no order."""
        yield from self._undelivered.values()

    def _add_failed(self, endpoint_id: str, conversation: Conversation, at_ms: int) -> None:
        event = self._undelivered.get(conversation.event_id)
        if event is None:
            event = Undelivered(conversation.event_id, conversation.event_type)
            self._undelivered[conversation.event_id] = event
        event.attempts.append(Attempt(at_ms, conversation.http_status))
        event.endpoint_ids.add(endpoint_id)
        # Where nothing is said of it, nothing says that one is missing.
        if conversation.first_attempt is not False:
            event.begun_at.add(endpoint_id)


def time_of(conversation: Conversation) -> int:
    """Give the time at which an attempt was made, ms since the epoch.

    Raises:
        Unreadable: It is no time.
    """
    try:
        at = datetime.fromisoformat(conversation.created_at)
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Unreadable(
            "Unipile's log of attempts cannot be read: one of them was made at no time."
        ) from None
