"""Each preset with what its sender documents: signed, verified, and told what it is."""

from datetime import UTC, datetime

import pytest

from relay.contract.event import IdentifiedEvent
from relay.contract.examples import Example, example_types, make_example
from relay.identify import identify_each
from relay.providers import PROVIDERS
from relay.verify import verify
from tests.making import NOW
from tests.relay.providers.senders import sender_of

# What has no id of the sender's: a digest stands for it. Of all types where none is named.
DIGESTED: dict[str, set[str]] = {
    "asana": {"task.changed", "heartbeat"},
    "discord": {"APPLICATION_AUTHORIZED", "ENTITLEMENT_CREATE"},
    "helpscout": {"convo.assigned"},
    "lemonsqueezy": {"order_created"},
    "meta": {
        "whatsapp_business_account.message_template_status_update",
        "instagram.comments",
        "user",
    },
    "plaid": {"TRANSACTIONS.SYNC_UPDATES_AVAILABLE"},
    "retell": {"call_started", "call_ended"},
    "slack": {"command:/weather", "block_actions"},
    "unipile-v1": {
        *(name for name in example_types("unipile-v1") if name.startswith("account_status.")),
        "hosted_auth.CREATION_SUCCESS",
        "hosted_auth.RECONNECTED",
        "new_relation",
        "calendar_event_deleted",
    },
    "x": {"follow_events"},
    "zoom": {"meeting.started", "meeting.participant_joined"},
}
# Of these each delivery with a signed time of its own is another event; they are not sent twice.
ONCE = {
    ("dropbox", "list_folder"),
    ("plaid", "TRANSACTIONS.SYNC_UPDATES_AVAILABLE"),
    ("slack", "command:/weather"),
    ("slack", "block_actions"),
}
# What there is to say of these is the same each time.
ALIKE = {("asana", "heartbeat")}


each_preset = pytest.mark.parametrize("name", PROVIDERS)
each_example = pytest.mark.parametrize(
    ("name", "event_type"),
    [(name, event_type) for name in PROVIDERS for event_type in example_types(name)],
)


def made(name: str, event_type: str) -> Example:
    """Make an example that is sent at `NOW`."""
    return make_example(name, event_type, datetime.fromtimestamp(NOW, UTC))


def received(name: str, example: Example, at: int = NOW) -> list[IdentifiedEvent]:
    """Sign it as the sender does, and go the way of a delivery."""
    return list(identify_each(verify(sender_of(name).send(example, at))))


@each_preset
def test_each_preset_has_an_example(name: str) -> None:
    """Nobody has to wait for the sender to see what its events become."""
    assert example_types(name)


@each_example
def test_an_example_is_an_event_of_its_own_type(name: str, event_type: str) -> None:
    """What it is called here is the type that the gateway finds, and no event is unidentified."""
    events = received(name, made(name, event_type))

    assert [found.event.type for found in events] == [event_type]


@each_example
def test_an_example_has_its_senders_id(name: str, event_type: str) -> None:
    """A digest stands for it only where the sender gives none."""
    events = received(name, made(name, event_type))

    has_digest = event_type in DIGESTED.get(name, set())
    assert [found.event.id.startswith("sha256:") for found in events] == [has_digest]


@each_example
def test_a_type_that_is_called_otherwise_keeps_its_senders(name: str, event_type: str) -> None:
    """What stands in no table is what it was."""
    names = PROVIDERS[name].event.type_names

    for event in (found.event for found in received(name, made(name, event_type))):
        own = event.original_type
        assert own is None or names[own] == event.type
        assert (own is None) is (event.type not in names.values())


@each_example
def test_a_second_delivery_is_the_same_event(name: str, event_type: str) -> None:
    """Whatever time the sender signs when it tries again."""
    example = made(name, event_type)

    first, second = received(name, example), received(name, example, NOW + 30)

    is_same = [found.identity for found in first] == [found.identity for found in second]
    assert is_same is ((name, event_type) not in ONCE)


@each_example
def test_two_examples_are_two_events(name: str, event_type: str) -> None:
    """Each has ids of its own, so that what is sent to try an endpoint is stored."""
    first, second = (received(name, made(name, event_type)) for _ in range(2))

    is_other = {found.identity for found in first}.isdisjoint(found.identity for found in second)
    assert is_other is ((name, event_type) not in ALIKE)


@each_preset
@pytest.mark.parametrize("value", ["account", "time"])
def test_what_a_preset_names_is_in_an_example(name: str, value: str) -> None:
    """Account and time are found, in what has them, where the preset says."""
    events = [
        found.event
        for event_type in example_types(name)
        for found in received(name, made(name, event_type))
    ]

    is_named = bool(getattr(PROVIDERS[name].event, value))
    assert any(getattr(event, value) for event in events) is is_named
