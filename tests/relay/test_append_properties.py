"""What holds for any history of deliveries and repeats."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from fakeredis import FakeServer
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.append import Appender, Limits
from relay.contract.event import Appended, Duplicate, IdentifiedEvent
from relay.contract.keys import Keys
from relay.contract.wire import Command, Wire
from tests.fakes import fake_store
from tests.making import make_identified
from tests.relay.appending import has_run

KEYS = Keys()
TAGS = ("one", "two")


class Sent(NamedTuple):
    """One delivery: which event it carries, and in what form."""

    number: int
    tag: str
    event_type: str
    body: bytes


DELIVERIES = st.builds(
    Sent,
    number=st.integers(min_value=0, max_value=5),
    tag=st.sampled_from(TAGS),
    event_type=st.sampled_from("abc"),
    body=st.sampled_from([b"", b"\xff"]),
)
# Rounds of deliveries that come at once; before each round the store may do one of these.
ROUNDS = st.lists(
    st.tuples(
        st.sampled_from(["nothing", "forgets scripts", "loses a reply", "is away"]),
        st.lists(DELIVERIES, min_size=1, max_size=6),
    ),
    max_size=6,
)


class Faulty:
    """The way to the store, on which a fault happens when told to."""

    def __init__(self, server: FakeServer) -> None:
        self._exchange = Wire.exchange
        self._server = server
        self.fault = "nothing"

    async def exchange(self, wire: Wire, commands: Sequence[Command]) -> list[Any]:
        """Send, with the fault once."""
        fault, self.fault = self.fault, "nothing"
        if fault == "is away":
            raise RedisConnectionError
        if fault == "forgets scripts":
            self._server.script_cache.clear()
        replies = await self._exchange(wire, commands)
        if fault == "loses a reply":
            if has_run(replies):
                raise RedisConnectionError
            self.fault = fault  # the next reply is the one that matters
        return replies


def identified(sent: Sent) -> IdentifiedEvent:
    """Make the event of a delivery; a tag has room for two types."""
    return make_identified(
        f"evt_{sent.number}", sent.event_type, data=sent.body, tag=sent.tag, max_types=2
    )


async def run(rounds: list[tuple[str, list[Sent]]], batch_events: int) -> None:
    """Play a history, and compare the answers with the streams."""
    server = FakeServer()
    client = fake_store(server)
    appender = Appender(client, KEYS, limits=Limits(deadline_seconds=60, batch_events=batch_events))
    faulty = Faulty(server)

    async def exchange(wire: Wire, commands: Sequence[Command]) -> list[Any]:
        return await faulty.exchange(wire, commands)

    answers: dict[tuple[str, int], set[str]] = {}
    appended = 0
    for fault, deliveries in rounds:
        faulty.fault = fault
        calls = (appender.append(identified(sent)) for sent in deliveries)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Wire, "exchange", exchange)
            results = await asyncio.gather(*calls)
        for sent, result in zip(deliveries, results, strict=True):
            assert isinstance(result, Appended | Duplicate)
            appended += isinstance(result, Appended)
            answers.setdefault((sent.tag, sent.number), set()).add(result.entry_id)

    stored: dict[tuple[str, int], list[str]] = {}
    for tag in TAGS:
        for event_type in (*"abc", "unidentified"):
            entries: Any = await client.xrange(KEYS.stream(tag, event_type))
            for entry_id, fields in entries:
                number = int(fields[b"id"].removeprefix(b"evt_"))
                stored.setdefault((tag, number), []).append(entry_id.decode())
    await client.aclose()

    assert {key: list(ids) for key, ids in answers.items()} == stored
    assert all(len(ids) == 1 for ids in stored.values())
    assert appended <= len(stored)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send a batch again at once."""
    monkeypatch.setattr("relay.append.FIRST_RETRY_SECONDS", 0.0)
    monkeypatch.setattr("relay.append.LAST_RETRY_SECONDS", 0.0)


@given(ROUNDS, st.integers(min_value=1, max_value=4))
def test_every_id_answered_is_in_its_stream_exactly_once(
    rounds: list[tuple[str, list[Sent]]], batch_events: int
) -> None:
    """Whatever comes, repeats and fails in between: one entry per event, named by every answer."""
    asyncio.run(run(rounds, batch_events))
