"""Which deliveries are one event: senders' retries are, and what only looks alike is not."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from relay.contract.event import Event
from relay.contract.examples import Example
from tests.making import NOW
from tests.relay.providers.test_examples import made, received


def identities(name: str, *examples: Example) -> list[bytes]:
    """Send examples one after the other; give what each event is remembered by."""
    return [
        found.identity
        for number, example in enumerate(examples)
        for found in received(name, example, NOW + number)
    ]


def with_json(example: Example, *path: str | int, value: object) -> Example:
    """Change a value in the body."""
    body: Any = json.loads(example.body)
    *keys, last = path
    inner = body
    for key in keys:
        inner = inner[key]
    inner[last] = value
    return replace(example, body=json.dumps(body).encode())


def with_form(example: Example, **fields: str) -> Example:
    """Change fields of a form; an empty one is left out."""
    form = dict(parse_qsl(example.body.decode())) | fields
    return replace(example, body=urlencode({k: v for k, v in form.items() if v}).encode())


def with_headers(example: Example, headers: Mapping[str, str]) -> Example:
    """Change headers."""
    return replace(example, headers={**example.headers, **headers})


SHOPIFY = made("shopify", "orders/create")
GITLAB = made("gitlab", "push")
HUBSPOT = made("hubspot", "contact.creation")
STATUS = with_json(
    made("meta", "whatsapp_business_account.messages"),
    *("entry", 0, "changes", 0, "value"),
    value={"statuses": [{"id": "wamid.1", "status": "sent", "timestamp": "1791796448"}]},
)
MESSAGE = made("meta", "instagram.message")
SMS = made("twilio", "message.delivered")
CALL = made("twilio", "call.ringing")
ZOOM = made("zoom", "meeting.participant_joined")
INTERCOM = made("intercom", "contact.created")
DISCORD = made("discord", "APPLICATION_AUTHORIZED")
MESSAGING = ("entry", 0, "messaging", 0)
STATUSES = ("entry", 0, "changes", 0, "value", "statuses", 0)

OTHER = {
    "shopify: one change under another topic": (
        *("shopify", SHOPIFY),
        with_headers(SHOPIFY, {"x-shopify-topic": "orders/paid"}),
    ),
    "gitlab: a hook that was set off by another": (
        *("gitlab", with_headers(GITLAB, {"idempotency-key": ""})),
        with_json(with_headers(GITLAB, {"idempotency-key": ""}), "ref", value="refs/heads/b"),
    ),
    "hubspot: the same id of another subscription": (
        *("hubspot", HUBSPOT),
        with_json(HUBSPOT, 0, "subscriptionId", value=2),
    ),
    "hubspot: the same id for another contact": (
        *("hubspot", HUBSPOT),
        with_json(HUBSPOT, 0, "objectId", value=2),
    ),
    "meta: another status of a message": (
        *("meta", STATUS),
        with_json(STATUS, *STATUSES, "status", value="read"),
    ),
    "meta: a message is deleted": (
        *("meta", MESSAGE),
        with_json(
            with_json(MESSAGE, *MESSAGING, "message", "is_deleted", value=True),
            *(*MESSAGING, "timestamp"),
            value=1,
        ),
    ),
    "twilio: another status of a message": ("twilio", SMS, with_form(SMS, MessageStatus="read")),
    "twilio: the same key is pressed again in a call": (
        *("twilio", CALL),
        with_headers(CALL, {"i-twilio-idempotency-token": "another"}),
    ),
    "zoom: a moment later": ("zoom", ZOOM, with_json(ZOOM, "event_ts", value=1)),
    "discord: a moment later": (
        *("discord", DISCORD),
        with_json(DISCORD, "event", "timestamp", value="2026-10-12T09:14:07.512001"),
    ),
}
SAME = {
    "shopify: through another subscription": (
        *("shopify", SHOPIFY),
        with_headers(SHOPIFY, {"x-shopify-webhook-id": "another"}),
    ),
    "hubspot: the next attempt": (
        *("hubspot", HUBSPOT),
        with_json(HUBSPOT, 0, "attemptNumber", value=1),
    ),
    "intercom: the next attempt": (
        *("intercom", INTERCOM),
        with_json(INTERCOM, "delivery_attempts", value=2),
    ),
    "meta: sent at another time": (
        "meta",
        MESSAGE,
        with_json(MESSAGE, "entry", 0, "time", value=1),
    ),
    "twilio: a message to the fallback URL": (
        *("twilio", SMS),
        with_form(with_headers(SMS, {"i-twilio-idempotency-token": "b"}), ErrorCode="11200"),
    ),
    "twilio: a call tried again": ("twilio", CALL, CALL),
}


@pytest.mark.parametrize(("name", "first", "second"), OTHER.values(), ids=OTHER)
def test_what_looks_alike_is_another_event(name: str, first: Example, second: Example) -> None:
    """It must not be taken for a repeat, or it would be lost."""
    one, other = identities(name, first, second)

    assert one != other


@pytest.mark.parametrize(("name", "first", "second"), SAME.values(), ids=SAME)
def test_what_differs_by_its_delivery_is_the_same(
    name: str, first: Example, second: Example
) -> None:
    """It is a repeat, whatever the sender says of its attempts."""
    one, other = identities(name, first, second)

    assert one == other


@pytest.mark.parametrize(
    ("name", "event_type"),
    [
        ("sendgrid", "open"),
        ("hubspot", "contact.creation"),
        ("twilio", "com.twilio.messaging.message.delivered"),
    ],
)
def test_each_element_of_an_array_is_an_event(name: str, event_type: str) -> None:
    """Whichever elements come with it, it is the same event."""
    one, other = (json.loads(made(name, event_type).body)[0] for _ in range(2))
    example = made(name, event_type)

    both = identities(name, replace(example, body=json.dumps([one, other]).encode()))

    alone = identities(name, replace(example, body=json.dumps([other]).encode()))
    assert len(set(both)) == 2
    assert alone == both[1:]


def test_a_delivery_of_meta_holds_changes_of_several_accounts() -> None:
    """Each change is an event of the account in whose entry it stands."""
    entries = [
        {"id": "1", "time": 1, "changes": [{"field": "feed", "value": {"n": n}} for n in (1, 2)]},
        {"id": "2", "time": 1, "messaging": [{"timestamp": 1, "read": {"watermark": 1}}]},
    ]
    body = json.dumps({"object": "page", "entry": entries}).encode()

    events = _events("meta", replace(MESSAGE, body=body))

    assert [(event.type, event.account) for event in events] == [
        ("page.feed", "1"),
        ("page.feed", "1"),
        ("page.read", "2"),
    ]


@pytest.mark.parametrize(
    ("name", "body", "event_type"),
    [
        ("linear", {"type": "OAuthApp", "webhookTimestamp": NOW * 1000}, "OAuthApp"),
        ("telegram", {"update_id": 1, "brand_new": {}}, "brand_new"),
        ("discord", {"id": "1", "type": 99}, "interaction.99"),
        ("gitlab", {"event_name": "user_create"}, "user_create"),
        ("slack", {"type": "app_rate_limited"}, "app_rate_limited"),
    ],
)
def test_types_that_nobody_listed_are_taken(
    name: str, body: dict[str, object], event_type: str
) -> None:
    """A sender may have new ones at any time."""
    example = Example("evt_1", json.dumps(body).encode(), {"content-type": "application/json"})

    assert [event.type for event in _events(name, example)] == [event_type]


def _events(name: str, example: Example) -> list[Event]:
    return [found.event for found in received(name, example)]
