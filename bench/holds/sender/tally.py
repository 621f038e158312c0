"""What became of the deliveries of one run: answers and failures in, counts and times out.

Every delivery that was due has exactly one outcome in the end: a status, or the way it failed.
"""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from bench.connection import Answer, Sent

BUCKET_SECONDS = 0.1
WINDOW_SECONDS = 0.5
FULL_SHARE = 0.95

# Deliveries without an answer: nobody listened; the connection was reset or closed instead of an
# answer; none came in time; none could be opened at all.
REFUSED, RESET, TIMEOUT, UNCONNECTED = "refused", "reset", "timeout", "unconnected"


@dataclass(slots=True)
class Tally:
    """Counts of one run.

    Args:
        started: When the run began, on the monotonic clock.
        due: How many deliveries were due.
        outcomes: Status or failure -> how often.
        accepted: A one for each number that was answered 200.
        unpromised: Answers 503 without ``Retry-After``.
        announced: Answers after which the server closed, as it had said.
        idle_closed: Connections that were closed while nothing was in flight on them.
        unopened: Failure -> connections that could not be opened, with no delivery waiting.
        latencies_ms: Of each answer 200, from when the delivery was due.
        lates_ms: How much later than due the sender turned to each delivery: its own lateness.
        lags_ms: How much later than due each was sent: with what its connection had to wait.
        buckets: Tenth of a second of the run -> outcomes of what was due in it.
        spans: Tenths of a second in which a delivery was sent and answered -> outcomes.
    """

    started: float = 0.0
    due: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    accepted: bytearray = field(default_factory=bytearray)
    unpromised: int = 0
    announced: int = 0
    idle_closed: int = 0
    unopened: Counter[str] = field(default_factory=Counter)
    latencies_ms: "array[float]" = field(default_factory=lambda: array("f"))
    lates_ms: "array[float]" = field(default_factory=lambda: array("f"))
    lags_ms: "array[float]" = field(default_factory=lambda: array("f"))
    buckets: dict[int, Counter[str]] = field(default_factory=dict)
    spans: dict[tuple[int, int], Counter[str]] = field(default_factory=dict)

    @property
    def finished(self) -> int:
        """How many deliveries have their outcome."""
        return self.outcomes.total()

    @property
    def stored(self) -> int:
        """How many were answered 200."""
        return self.outcomes["200"]

    def answered(self, sent: Sent, answer: Answer, now: float) -> None:
        """Note an answer."""
        self.announced += answer.closes
        if answer.status == 200:
            self.latencies_ms.append(1000 * (now - sent.due))
            self._accept(sent.number)
        elif answer.status == 503 and not answer.retry_after:
            self.unpromised += 1
        span = self._tenth(sent.at), self._tenth(now)
        self.spans.setdefault(span, Counter())[str(answer.status)] += 1
        self._note(str(answer.status), sent.due)

    def failed(self, outcome: str, due: float) -> None:
        """Note that there was no answer, and why."""
        self._note(outcome, due)

    def counts(self) -> dict[str, int]:
        """Give the outcomes by name, for a line."""
        return dict(sorted(self.outcomes.items()))

    def _accept(self, number: int) -> None:
        if number >= len(self.accepted):
            self.accepted.extend(bytes(max(number + 1 - len(self.accepted), 65_536)))
        self.accepted[number] = 1

    def _note(self, outcome: str, due: float) -> None:
        self.outcomes[outcome] += 1
        self.buckets.setdefault(self._tenth(due), Counter())[outcome] += 1

    def _tenth(self, moment: float) -> int:
        return int((moment - self.started) / BUCKET_SECONDS)


def answered_within(tally: Tally, since: float, until: float) -> Counter[str]:
    """Count the answers to what was sent after a moment and answered before another.

    Args:
        tally: Of the run.
        since: On the monotonic clock.
        until: The same; a tenth of a second that is not whole does not count.
    """
    first = int((since - tally.started) / BUCKET_SECONDS) + 1
    end = int((until - tally.started) / BUCKET_SECONDS)
    found: Counter[str] = Counter()
    for (sent, answered), outcomes in tally.spans.items():
        if sent >= first and answered < end:
            found.update(outcomes)
    return found


def per_second(tally: Tally, outcome: str, after: float, before: float) -> float:
    """Give how often an outcome came per second, of what was due between two times of the run.

    Args:
        tally: Of the run.
        outcome: A status or a failure.
        after: Seconds from its start.
        before: Seconds from its start.
    """
    first, last = round(after / BUCKET_SECONDS), round(before / BUCKET_SECONDS)
    found = (tally.buckets.get(bucket, Counter())[outcome] for bucket in range(first, last))
    return sum(found) / (before - after)


def recovered_after(tally: Tally, since: float, until: float) -> float | None:
    """Say how long after a moment what was due was stored again, without falling back.

    Args:
        tally: Of the run.
        since: Seconds from its start.
        until: Seconds from its start; what was due later does not count.

    Returns:
        Seconds up to the end of the last half second in which less than `FULL_SHARE` of what was
        due was stored, or nothing if that is the last one.
    """
    windows = int((until - since) / WINDOW_SECONDS)
    bad = [
        number
        for number in range(windows)
        if _stored_share(tally, since + number * WINDOW_SECONDS) < FULL_SHARE
    ]
    if not bad:
        return 0.0
    return None if bad[-1] == windows - 1 else (bad[-1] + 1) * WINDOW_SECONDS


def _stored_share(tally: Tally, since: float) -> float:
    first = round(since / BUCKET_SECONDS)
    total: Counter[str] = Counter()
    for bucket in range(first, first + round(WINDOW_SECONDS / BUCKET_SECONDS)):
        total.update(tally.buckets.get(bucket, {}))
    return total["200"] / total.total() if total else 1.0
