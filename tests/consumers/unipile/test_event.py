"""Bodies as envelopes with typed payloads, whatever they are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers import Event, Worker
from consumers.testing import make_event, run_handler, unipile_event, unipile_types
from consumers.unipile import (
    KNOWN,
    Email,
    EmailNew,
    Message,
    OpenStruct,
    Receipt,
    UnipileEvent,
    User,
    encode,
    is_own_message,
    read,
)
from tests.consumers.making import make_seen
from tests.making import gzipped

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def leftovers(value: object, place: str = "$") -> dict[str, Any]:
    """Find all that no field holds, on every level."""
    if isinstance(value, list):
        return {
            k: v for n, each in enumerate(value) for k, v in leftovers(each, f"{place}.{n}").items()
        }
    if not isinstance(value, OpenStruct):
        return {}
    found = {f"{place}.{name}": each for name, each in value.extra.items()}
    for name in value.__struct_fields__:
        found |= leftovers(getattr(value, name), f"{place}.{name}")
    return found


@pytest.mark.parametrize("kind", unipile_types())
def test_every_type_with_an_example_has_its_struct_and_nothing_is_left_over(kind: str) -> None:
    """And what is written again is what came."""
    event = unipile_event(kind)
    found = read(event)

    assert type(found.payload) is KNOWN[kind].payload
    assert (found.fault, leftovers(found)) == (None, {})
    assert json.loads(encode(found)) == event.json()


def test_no_type_is_known_of_which_there_is_no_example() -> None:
    """Else nothing would show what it looks like."""
    assert set(KNOWN) == set(unipile_types())


@pytest.mark.parametrize("kind", ["account.status.paused", "relation.request.accept"])
def test_withdrawn_types_are_still_read(kind: str) -> None:
    """An application may be served by an older version."""
    assert isinstance(read(unipile_event(kind)).payload, KNOWN[kind].payload)


@pytest.mark.parametrize("payload", [{"a": [1]}, [1], None, "x"])
def test_an_unknown_type_is_no_fault(payload: Any) -> None:
    """Its payload is what it is."""
    body = {"id": "evt_1", "type": "message.sung", "payload": payload, "account_id": "acc_1"}
    found = read(make_event(json=body))

    assert (found.type, found.account_id) == ("message.sung", "acc_1")
    assert (found.payload, found.fault) == (payload, None)
    assert json.loads(encode(found)) == body


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"chat_id": "c"}, "Object missing required field `id`"),
        (
            {"id": 5, "chat_id": "c"},
            "Expected `str`, got `int` - at `$.id`",
        ),
        ([], "Expected `object`, got `array`"),
        (None, "Expected `object`, got `null`"),
    ],
)
def test_a_payload_that_does_not_fit_stays_plain_with_the_reason(payload: Any, said: str) -> None:
    """The handler decides; the envelope is as good as ever."""
    body = {"id": "evt_1", "type": "message.new", "payload": payload}
    found = read(make_event(json=body))

    assert (found.id, found.payload) == ("evt_1", payload)
    assert found.fault == f"the payload does not fit: {said}"
    assert json.loads(encode(found)) == body


def test_a_misfit_deep_in_what_must_be_there_names_its_place() -> None:
    """An email without its id is an event without its email."""
    found = read(make_event(json={"type": "email.new", "payload": {"email": {"id": None}}}))

    assert found.fault is not None
    assert found.fault.endswith("Expected `str`, got `null` - at `$.email.id`")


def test_odd_values_cost_their_own_field_only() -> None:
    """A number for a text, null for a list, a sender without an id, an id that is none."""
    changes = {"text": 7, "attachments": None, "sender": {"display_name": "x"}, "is_sender": "no"}
    event = unipile_event(payload=changes)
    body = event.json() | {"account_name": 5, "created_at": None, "application_production": "yes"}
    body["payload"]["sender"] = {"display_name": "x"}
    found = read(make_event(json=body))
    message = found.payload

    assert isinstance(message, Message)
    assert (message.text, message.attachments, message.sender, message.is_sender) == (
        *(None, [], None),
        None,
    )
    assert set(message.extra) == set(changes)
    assert found.extra == {"account_name": 5, "application_production": "yes"}
    assert message.chat_id == "49305550101@s.whatsapp.net"
    assert json.loads(encode(found)) == body


def test_extra_fields_survive_on_every_level() -> None:
    """Envelope, payload, a part of it, and an item of a list."""
    body = unipile_event("email.new").json()
    body["new"] = 0
    body["payload"]["new"] = 1
    body["payload"]["email"]["new"] = 2
    body["payload"]["email"]["from"][0]["new"] = 3
    found = read(make_event(json=body))

    assert leftovers(found) == {
        "$.new": 0,
        "$.payload.new": 1,
        "$.payload.email.new": 2,
        "$.payload.email.from_.0.new": 3,
    }
    assert isinstance(found.payload, EmailNew)
    assert isinstance(found.payload.email, Email)
    assert found.payload.email.from_[0].email == "kim@example.net"
    assert json.loads(encode(found)) == body


@pytest.mark.parametrize("data", [b"", b"\xff", b"event=mail_sent", b'{"a":', b"[" * 100_000])
def test_a_body_that_is_no_json_is_said_and_not_raised(data: bytes) -> None:
    """A form, rubbish, or brackets without end."""
    found = read(make_event(data=data))

    assert (found.type, found.payload, found.extra) == ("", None, {})
    assert found.fault == "the body is not JSON"


@pytest.mark.parametrize("body", [[1, {"a": None}], "text", 5, None])
def test_a_body_that_is_no_object_is_kept_whole(body: Any) -> None:
    """As its payload."""
    found = read(make_event(data=json.dumps(body)))

    assert (found.payload, found.fault) == (body, "the body is not a JSON object")
    assert json.loads(encode(found)) == body


def test_a_body_of_version_1_is_an_envelope_without_a_type() -> None:
    """What it has is not lost."""
    body = {"event": "message_received", "account_id": "a", "message": "hello"}
    found = read(make_event(json=body))

    assert (found.type, found.account_id, found.fault) == ("", "a", None)
    assert found.extra == {"event": "message_received", "message": "hello"}


def test_half_an_emoji_is_read_and_written() -> None:
    """As senders leave it when they cut a text."""
    data = json.dumps(unipile_event(payload={"text": "\\ud83d", "new": 1}).json()).encode()
    data = data.replace(b"\\\\ud83d", b"\\ud83d")
    found = read(make_event(data=data))

    assert found.payload.text == "\ud83d"
    assert json.loads(encode(found)) == json.loads(data)


def test_a_compressed_body_is_read() -> None:
    """As a gateway stores it: as it came."""
    plain = unipile_event(payload={"text": "hello"}).data
    found = read(make_seen(data=gzipped(plain), content_encoding="gzip"))

    assert found.payload.text == "hello"


def test_messages_in_messages_do_not_nest_without_end() -> None:
    """What is quoted in what is quoted stays plain."""
    quoted = {"id": "2", "quoted": {"id": "3", "quoted": {"id": "4"}}}
    message = read(unipile_event(payload={"quoted": quoted})).payload

    assert message.quoted.extra == {"quoted": {"id": "3", "quoted": {"id": "4"}}}


async def test_a_handler_takes_a_payload_and_another_the_whole() -> None:
    """Both by the parameter's type; what does not fit is a dead letter."""
    worker = Worker(group="crm")
    seen: list[object] = []

    @worker.on("unipile:message.new", payload_at="/payload")
    async def take_message(event: Event, message: Message) -> None:
        seen.append((message.text, message.extra, message.sender))

    @worker.on("unipile:message.receipt.read")
    async def take_whole(event: Event, found: UnipileEvent) -> None:
        seen.append((found.account_id, found.payload))

    good = unipile_event(payload={"text": 7, "new": 1})
    receipt = unipile_event("message.receipt.read", account="acc_1")
    bad = unipile_event(payload={"chat_id": None})
    bare = make_event("message.receipt.read", json=[])
    (await run_handler(worker, take_message, good)).assert_done()
    (await run_handler(worker, take_whole, receipt)).assert_done()
    refused = await run_handler(worker, take_message, bad)
    (await run_handler(worker, take_whole, bare)).assert_dead("invalid_payload")

    user = User(
        object="User",
        id="49305550101@s.whatsapp.net",
        type="individual",
        display_name="Jonas Muster",
    )
    assert seen == [
        (None, {"text": 7, "new": 1}, user),
        ("acc_1", Receipt.from_json(receipt.json()["payload"])),
    ]
    refused.assert_dead("invalid_payload")
    assert refused.error == ("InvalidPayload: Expected `str`, got `null` at $.payload.chat_id")


@given(body=JSON)
def test_any_json_is_read_and_written_again(body: Any) -> None:
    """Nothing raises, and nothing is lost."""
    event = make_event(data=json.dumps(body))

    assert is_own_message(event) in {True, False, None}
    assert json.loads(encode(read(event))) == body


@given(kind=st.sampled_from(sorted(KNOWN)), data=st.data())
def test_any_change_of_an_example_is_read_and_written_again(kind: str, data: st.DataObject) -> None:
    """Any values, in any of the places that the structs know."""
    body = unipile_event(kind).json()
    for _ in range(data.draw(st.integers(1, 4))):
        node = body
        while True:
            key = data.draw(st.sampled_from(sorted(node)) if node else st.just("new"))
            inner = node.get(key)
            inner = inner[0] if isinstance(inner, list) and inner else inner
            if not isinstance(inner, dict) or data.draw(st.booleans()):
                break
            node = inner
        node[key] = data.draw(JSON)
    event = make_event(kind, data=json.dumps(body))
    found = read(event)

    assert is_own_message(event) is is_own_message(found)
    assert json.loads(encode(found)) == body
    assert isinstance(found.payload, OpenStruct) or found.fault or found.type not in KNOWN
