"""What holds for the entry of any event."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from relay.contract.entry import decode
from relay.contract.errors import UnreadableEntry
from relay.contract.event import Assurance, Event
from tests.relay.test_entry import FULL, fields_of

TEXT = st.text(max_size=40)
OPTIONAL = st.none() | TEXT
NUMBER = st.none() | st.integers(min_value=0)
OF_TYPE = {"str | None": OPTIONAL, "int | None": NUMBER}
EVENTS = st.builds(
    Event,
    id=TEXT,
    source=TEXT,
    type=TEXT,
    data=st.binary(max_size=200),
    received_at_ms=st.integers(min_value=0, max_value=2**62),
    assurance=st.sampled_from(get_args(Assurance)),
    headers=st.dictionaries(TEXT, TEXT, max_size=3),
    time=OPTIONAL,
    content_type=OPTIONAL,
    content_encoding=OPTIONAL,
    account=OPTIONAL,
    query=OPTIONAL,
    traceparent=OPTIONAL,
    original_type=OPTIONAL,
    batch_id=OPTIONAL,
    batch_index=NUMBER,
    batch_size=NUMBER,
    entry_id=OPTIONAL,
    reason=OPTIONAL,
)


def test_the_strategy_makes_every_attribute() -> None:
    """No attribute of an event is left out of the properties below."""
    made = set(EVENTS.wrapped_strategy.kwargs)  # type: ignore[attr-defined]

    assert made == set(Event.__struct_fields__)


@given(EVENTS)
def test_the_round_trip_changes_nothing(event: Event) -> None:
    """Any event is the same after being written and read, empty and non-text bodies included."""
    assert decode(fields_of(event)) == event


@given(
    st.dictionaries(
        st.sampled_from(sorted(fields_of(FULL))), st.binary(max_size=20), min_size=1, max_size=4
    )
)
def test_any_fields_are_read_or_unreadable(changes: dict[bytes, bytes]) -> None:
    """Whatever stands in an entry, reading it raises nothing but `UnreadableEntry`."""
    try:
        event = decode(fields_of(FULL) | changes)
    except UnreadableEntry:
        return

    assert isinstance(event, Event)
