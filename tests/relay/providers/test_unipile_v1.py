"""Webhooks of Unipile's API version 1: what each becomes, in JSON and in forms, renamed, mapped."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from relay.contract.event import IdentifiedEvent
from relay.contract.examples import example_types, make_example
from relay.contract.keys import UNIDENTIFIED
from relay.identify import identify
from relay.providers import PROVIDERS
from relay.settings import Settings, build_endpoints
from relay.verify import verify
from tests.making import NOW, NOW_MS, make_delivery
from tests.relay.clocked import InMemory

PAGE = Path(__file__).parents[3] / "docs/how-to/unipile-v1.md"
TYPES = example_types("unipile-v1")
SECRET = "0123456789abcdef"
VARIABLES = ("UNIPILE_V1_WEBHOOK_SECRET", "UNIPILE_CALLBACK_SECRET")
ENVIRON = dict.fromkeys(VARIABLES, SECRET)
TIMED = {"message_received", "message_read", "message_reaction", "mail_received", "mail_sent",
    "mail_opened", "mail_link_clicked"}  # fmt: skip
each_type = pytest.mark.parametrize("event_type", TYPES)


def found(body: bytes, content_type: str | None = None, **table: Any) -> IdentifiedEvent:
    """Identify a delivery with the right secret to an endpoint with these settings."""
    section = {"provider": "unipile-v1", "secrets": [{"env": VARIABLES[0]}], **table}
    settings = Settings.load(ENVIRON, {"endpoints": {"unipile-v1": section}})
    endpoint = build_endpoints(settings, ENVIRON)["unipile-v1"]
    headers = {"unipile-auth": SECRET} | ({"content-type": content_type} if content_type else {})
    return identify(verify(make_delivery(body, headers, endpoint=endpoint)))


def body_of(event_type: str) -> dict[str, Any]:
    """Give what an example says, whatever it is written as."""
    if event_type == "account_status.CONNECTING":
        return {"AccountStatus": {"account_id": "acc_1", "message": "CONNECTING"}}
    made = make_example("unipile-v1", event_type, datetime.fromtimestamp(NOW, UTC))
    said: dict[str, Any] = json.loads(made.body)
    return said


def bracketed(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Write an object as fields: ``a[b]``."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from bracketed(inner, f"{name}[{key}]" if name else key)
    elif not isinstance(value, list) and value is not None:
        yield name, str(value)


def in_fields(said: Mapping[str, Any]) -> bytes:
    """Write a form whose fields hold JSON where they are no texts."""
    fields = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in said.items()
    }
    return urlencode(fields).encode()


def account_of(said: Mapping[str, Any]) -> Any:
    """Give the account that a body names."""
    return said.get("account_id") or said["AccountStatus"]["account_id"]


@each_type
@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
def test_json_is_told_by_the_body(event_type: str, content_type: str | None) -> None:
    """Type, account and time are where they stand, and the content type is nobody's business."""
    said = body_of(event_type)

    event = found(json.dumps(said).encode(), content_type).event

    assert (event.type, event.account) == (event_type, account_of(said))
    assert event.time == ((said.get("timestamp") or said["date"]) if event_type in TIMED else None)
    assert (event.assurance, event.original_type) == ("sender", None)


@each_type
@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded"])
def test_a_form_says_what_json_says(event_type: str, content_type: str | None) -> None:
    """Whether it has fields in brackets, or JSON in its fields."""
    said = body_of(event_type)
    plain = found(json.dumps(said).encode()).event
    forms = (urlencode(list(bracketed(said))).encode(), in_fields(said))

    events = [found(form, content_type).event for form in forms]

    for event in events:
        assert (event.type, event.account, event.time) == (event_type, plain.account, plain.time)
        assert event.id == plain.id or plain.id.startswith("sha256:")
        assert event.id.startswith("sha256:") == plain.id.startswith("sha256:")


@pytest.mark.parametrize(
    ("event_type", "expected"),
    [
        ("message_received", "message_received:a:m"),
        ("message_read", "message_read:a:m"),
        ("message_reaction", "message_reaction:a:m:👍:p"),
        ("mail_received", "mail_received:a:e"),
        ("mail_sent", "mail_sent:a:e"),
        ("mail_opened", "t"),
        ("mail_link_clicked", "t"),
        ("calendar_event_created", "calendar_event_created:a:c:i:u"),
        ("calendar_event_updated", "calendar_event_updated:a:c:i:u"),
        ("calendar_event_deleted", "calendar_event_deleted:a:c:i:u"),
        ("message_edited", None),
        ("new_relation", None),
    ],
)
def test_an_id_is_made_of_what_happened_to_what(event_type: str, expected: str | None) -> None:
    """In each account by itself; a type that nobody knows is known by its body."""
    said: dict[str, Any] = {
        "event": event_type,
        "account_id": "a",
        "message_id": "m",
        "email_id": "e",
        "event_id": "t",
        "calendar_id": "c",
        "id": "i",
        "updated_at": "u",
        "reaction": "👍",
        "reaction_sender": {"attendee_id": "p"},
    }

    whole = found(json.dumps(said).encode()).event.id
    without_account = found(json.dumps({**said, "account_id": None}).encode()).event.id

    assert whole == expected or (expected is None and whole.startswith("sha256:"))
    if expected:
        assert without_account == expected.replace(":a:", ":")


@pytest.mark.parametrize(
    ("event_type", "gone"),
    [
        ("message_reaction", "reaction_sender"),
        ("message_reaction", "reaction"),
        ("mail_opened", "event_id"),
        ("mail_received", "email_id"),
        ("calendar_event_updated", "updated_at"),
    ],
)
def test_where_a_part_is_missing_nothing_less_is_the_id(event_type: str, gone: str) -> None:
    """A shorter one would be that of other events too: the other reaction, the second opening."""
    said = body_of(event_type)
    del said[gone]

    assert found(json.dumps(said).encode()).event.id.startswith("sha256:")


def test_an_older_mail_is_known_by_its_own_id() -> None:
    """Some have ``id`` in the place of ``email_id``."""
    said = {"event": "mail_received", "account_id": "a", "id": "i", "message_id": "<m@example.org>"}

    assert found(json.dumps(said).encode()).event.id == "mail_received:a:i"


@pytest.mark.parametrize("write", [lambda said: json.dumps(said).encode(), in_fields])
@pytest.mark.parametrize("frame", [b"\xef\xbb\xbf%b", b"%b\r\n", b"\xef\xbb\xbf \n%b"])
def test_what_stands_around_a_body_costs_it_nothing(
    write: Callable[[Any], bytes], frame: bytes
) -> None:
    """A BOM before it, or a line's end behind it, in JSON and in a form."""
    body = write({"event": "message_received", "account_id": "acc_1", "message_id": "m"})

    event = found(frame % body).event

    assert (event.type, event.id) == ("message_received", "message_received:acc_1:m")
    assert (event.account, event.data) == ("acc_1", frame % body)


def test_one_mail_in_two_accounts_is_two_events() -> None:
    """They share its Message-ID, which says nothing of whose it is."""
    said = body_of("mail_received")

    one, other = (
        found(json.dumps({**said, **own}).encode())
        for own in ({"account_id": "a", "email_id": "1"}, {"account_id": "b", "email_id": "2"})
    )

    assert one.event.id != other.event.id
    assert one.identity != other.identity


def test_an_equal_id_with_another_body_is_another_event() -> None:
    """The secret proves nothing of the body: a guessed id must not keep the real one out."""
    said = body_of("message_received")
    bodies = [json.dumps({**said, "message": text}).encode() for text in ("one", "two")]

    one, other, again = (found(body) for body in (*bodies, bodies[0]))

    assert one.event.id == other.event.id
    assert one.identity != other.identity
    assert one.identity == again.identity
    assert (one.kind, one.window_seconds) == ("ids", 72 * 3600)


def test_two_reactions_to_a_message_have_two_ids() -> None:
    """Of one person, and of two."""
    said = body_of("message_reaction")
    bodies = [
        said,
        {**said, "reaction": "🎉"},
        {**said, "reaction_sender": {"attendee_id": "someone else"}},
    ]

    ids = {found(json.dumps(body).encode()).event.id for body in bodies}

    assert len(ids) == 3


def status(message: str, account: str = "acc_1") -> bytes:
    """Write an account's status."""
    return json.dumps({"AccountStatus": {"account_id": account, "message": message}}).encode()


def test_a_status_is_known_by_its_body_for_ten_minutes() -> None:
    """In a minute it is one event, and later it is two; another status or account is another."""
    store, again = InMemory(), found(status("OK"))
    stored = [type(one.result).__name__ for one in store.append(again)]
    for seconds in (60, 539, 2):
        store.now_ms += 1000 * seconds
        stored += [type(one.result).__name__ for one in store.append(again)]

    assert stored == ["Appended", "Duplicate", "Duplicate", "Appended"]
    assert (again.kind, again.window_seconds) == ("bodies", 600)
    others = {found(status("ERROR")).identity, found(status("OK", "acc_2")).identity}
    assert len({again.identity, *others}) == 3


def test_each_status_is_stored_where_the_operator_says_so() -> None:
    """An account that flaps has each of its states, and a retry is one too."""
    event = {"window_without_id_seconds": 0}

    assert found(status("OK"), event=event).identity != found(status("OK"), event=event).identity


@each_type
def test_renamed_fields_are_found_by_their_new_names(event_type: str) -> None:
    """In JSON and in forms; id, account and time are what they were."""
    said = body_of(event_type)
    names = {"message_id": "mid", "email_id": "eid", "account_id": "acc", "timestamp": "at",
        "date": "day", "event_id": "tid"}  # fmt: skip
    changed = {names.get(key, key): value for key, value in said.items()}
    plain = found(json.dumps(said).encode()).event

    bodies = (json.dumps(changed).encode(), urlencode(list(bracketed(changed))).encode())

    for event in (found(body, renamed=names).event for body in bodies):
        assert (event.type, event.account, event.time) == (plain.type, plain.account, plain.time)
        assert event.id == plain.id or plain.id.startswith("sha256:")


def test_names_may_be_exchanged() -> None:
    """Each is looked for once, by the name that it was given."""
    said = {"event": "message_received", "account_id": "m", "message_id": "a"}
    names = {"account_id": "message_id", "message_id": "account_id"}

    event = found(json.dumps(said).encode(), renamed=names).event

    assert (event.id, event.account) == ("message_received:a:m", "a")


@each_type
def test_types_may_be_called_as_version_2_calls_them(event_type: str) -> None:
    """The sender's own is kept; identity and id stay, so that the change is none to a repeat."""
    body = json.dumps(body_of(event_type)).encode()
    plain, mapped = found(body), found(body, types_as="unipile")

    stays = event_type.startswith("hosted_auth.") or event_type == "account_status.CONNECTING"
    assert (mapped.event.type == event_type) is stays
    assert stays or mapped.event.type in example_types("unipile")
    assert mapped.event.original_type == (None if stays else event_type)
    assert (mapped.identity, mapped.event.id) == (plain.identity, plain.event.id)


def test_only_types_that_there_are_are_called_otherwise() -> None:
    """A name in the table that no example has would never be met."""
    assert set(PROVIDERS["unipile-v1"].types_as["unipile"]) <= set(TYPES)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"x", b"=", b"AccountStatus=1", b'{"AccountStatus":[]}', b"\xff"]
)
def test_what_says_nothing_is_unidentified(body: bytes) -> None:
    """It had the secret, so it is stored all the same."""
    event = found(body).event

    assert (event.type, event.account, event.received_at_ms) == (UNIDENTIFIED, None, NOW_MS)


def test_what_the_page_configures_can_be_loaded() -> None:
    """Each table by itself, with the secrets that it names."""
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    usual = {"provider": "unipile-v1", "secrets": [{"env": VARIABLES[0]}]}

    for block in blocks:
        tables = {name: usual | table for name, table in tomllib.loads(block)["endpoints"].items()}
        assert Settings.load(ENVIRON, {"endpoints": tables}).endpoints

    assert len(blocks) == 6


def test_the_page_has_the_whole_table_of_types() -> None:
    """A row says of each type of version 1 what it is called."""
    text = PAGE.read_text("utf-8")

    for own, new in PROVIDERS["unipile-v1"].types_as["unipile"].items():
        assert f"| `{own}` | `{new}` " in text
