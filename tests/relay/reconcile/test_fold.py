"""Attempts put together by event, from any pages in any order."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.reconcile import log
from relay.reconcile.fold import Fold, time_of
from relay.reconcile.log import read_log
from relay.unipile import Unreadable
from relay.unipile.shapes import Conversation

SINCE_MS = 1_000_000


class Made(NamedTuple):
    """One attempt."""

    event: int
    endpoint: str
    at_ms: int
    status: int | None


ATTEMPTS = st.lists(
    st.builds(
        Made,
        event=st.integers(0, 5),
        endpoint=st.sampled_from(["we_1", "we_2"]),
        at_ms=st.integers(SINCE_MS - 200_000, SINCE_MS + 200_000),
        status=st.sampled_from([None, 100, 199, 200, 204, 299, 300, 404, 503]),
    ),
    max_size=40,
)


def conversation(number: int, made: Made, *, first: bool | None = True) -> Conversation:
    """Make the row of an attempt."""
    at = datetime.fromtimestamp(made.at_ms / 1000, UTC).isoformat()
    return Conversation(
        id=f"wc_{number}",
        event_id=f"evt_{made.event}",
        event_type="message.new",
        created_at=at,
        first_attempt=first,
        http_status=made.status,
    )


class Log:
    """A log that is read in pages, and into which new attempts may come meanwhile."""

    def __init__(self, attempts: list[Made], size: int) -> None:
        self._rows = [conversation(n, made) for n, made in enumerate(attempts)]
        self._endpoints = {f"wc_{n}": made.endpoint for n, made in enumerate(attempts)}
        self._rows.sort(key=time_of, reverse=True)
        self._size = size
        self.given = 0

    async def conversation_pages(self, endpoint_id: str) -> AsyncIterator[list[Conversation]]:
        """Give one endpoint's, the newest first."""
        own = [row for row in self._rows if self._endpoints[row.id] == endpoint_id]
        for begin in range(0, len(own), self._size):
            self.given += 1
            yield own[begin : begin + self._size]


# Each runs an event loop of its own.
@settings(max_examples=25)
@given(attempts=ATTEMPTS, size=st.integers(1, 7))
def test_the_fold_of_any_log_is_what_a_simple_model_says(attempts: list[Made], size: int) -> None:
    """An event is undelivered when each of its attempts since then failed, at every endpoint."""
    api: Any = Log(attempts, size)

    fold = asyncio.run(read_log(api, ["we_1", "we_2"], SINCE_MS))

    model: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
    for made in attempts:
        if made.at_ms >= SINCE_MS:
            model[f"evt_{made.event}"].append((made.at_ms, made.status))
    expected = {
        event: sorted(tried, key=str)
        for event, tried in model.items()
        if not any(status is not None and 200 <= status <= 299 for _, status in tried)
    }
    found = {
        event.event_id: sorted(((one.at_ms, one.status) for one in event.attempts), key=str)
        for event in fold.undelivered()
    }
    assert found == expected
    assert fold.events == len(model)
    assert fold.attempts == sum(map(len, model.values()))
    assert fold.oldest_ms == min((at for tried in model.values() for at, _ in tried), default=None)


def test_the_log_is_read_no_further_than_it_must() -> None:
    """What is older than the bound, and than what may be out of order, is not asked for."""
    old = [Made(n, "we_1", SINCE_MS - log.OUT_OF_ORDER_MS - 1 - n, 503) for n in range(100)]
    api: Any = Log([Made(200, "we_1", SINCE_MS, 503), *old], 10)

    fold = asyncio.run(read_log(api, ["we_1"], SINCE_MS))

    # The first has the newest in it.
    assert (fold.attempts, api.given) == (1, 2)


def test_an_event_whose_first_attempt_is_missing_is_not_whole() -> None:
    """At each of the sender's endpoints; where nothing is said of it, nothing is missing."""
    fold = Fold(0)
    fold.add("we_1", conversation(1, Made(1, "we_1", 10, 503), first=False))
    fold.add("we_1", conversation(2, Made(2, "we_1", 10, 503), first=None))
    fold.add("we_1", conversation(3, Made(3, "we_1", 10, 503), first=True))
    fold.add("we_2", conversation(4, Made(3, "we_2", 10, 503), first=False))

    found = {event.event_id: event.is_whole for event in fold.undelivered()}

    assert found == {"evt_1": False, "evt_2": True, "evt_3": False}


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "1796000000"])
def test_an_attempt_made_at_no_time_stops_the_reading(text: str) -> None:
    """What cannot be put in its place must not be passed over."""
    row = Conversation(id="wc_1", event_id="evt_1", event_type="a", created_at=text)

    with pytest.raises(Unreadable, match="at no time"):
        Fold(0).add("we_1", row)


def test_a_time_without_a_zone_is_utc() -> None:
    """As is any other of the sender's."""
    row = Conversation(
        id="wc_1", event_id="evt_1", event_type="a", created_at="1970-01-01T00:00:01"
    )

    assert time_of(row) == 1000
