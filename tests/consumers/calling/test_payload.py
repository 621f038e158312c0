"""Bodies as the user's own types, and what is told where they do not fit."""

import gzip
import json
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest
from structlog.testing import capture_logs

from consumers import Event
from consumers.calling.payload import InvalidPayload, decoder, is_payload, parse_pointer
from consumers.handle import Runner
from consumers.outcome import Done, GaveUp, Outcome
from tests.consumers.handling import run
from tests.consumers.making import make_handler, make_seen


class Struct(msgspec.Struct):
    """msgspec's."""

    text: str
    sizes: list[int] = []


class Other(msgspec.Struct, tag=True):
    """One of a union."""

    n: int


class Another(msgspec.Struct, tag=True):
    """One of a union."""

    n: int


class Model(pydantic.BaseModel):
    """pydantic's."""

    text: str
    sizes: list[int] = []
    people: dict[str, int] = {}


@pydantic.dataclasses.dataclass
class ModelData:
    """pydantic's as well."""

    text: str
    sizes: list[int]


@dataclass
class Data:
    """The standard library's."""

    text: str
    sizes: list[int]


class Dictionary(TypedDict):
    """The standard library's as well."""

    text: str
    sizes: list[int]


KINDS = [Struct, Model, ModelData, Data, Dictionary]
GOOD = b'{"text": "hello", "sizes": [1, 2]}'


def read(kind: Any, data: bytes, pointer: str = "", **changes: Any) -> Any:
    """Decode a body."""
    return decoder(kind, pointer)(make_seen(data=data, **changes))


def refused(kind: Any, data: bytes, pointer: str = "", **changes: Any) -> InvalidPayload:
    """Give what is said of a body that does not fit."""
    with pytest.raises(InvalidPayload) as caught:
        read(kind, data, pointer, **changes)
    return caught.value


def text_of(value: Any) -> Any:
    """Give the text, however the kind keeps it."""
    return value["text"] if isinstance(value, dict) else value.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_becomes_what_the_annotation_says(kind: Any) -> None:
    """Whole, or the part that is pointed at, also from a packed body."""
    inside = b'[{"a/b": {"c": ' + GOOD + b"}}]"

    assert text_of(read(kind, GOOD)) == "hello"
    assert text_of(read(kind, inside, "/0/a~1b/c")) == "hello"
    packed = gzip.compress(GOOD)
    assert text_of(read(kind, packed, content_encoding="gzip")) == "hello"


def test_a_union_becomes_the_one_of_its_tag() -> None:
    """As msgspec reads it."""
    assert read(Other | Another, b'{"type": "Another", "n": 1}') == Another(1)


@pytest.mark.parametrize("kind", KINDS)
def test_half_an_emoji_is_no_fault_of_the_whole_body(kind: Any) -> None:
    """Senders cut texts in the middle of one, and the payload may be another part."""
    cut = b'{"x": "\\ud83d", "p": ' + GOOD + b"}"

    assert text_of(read(kind, cut, "/p")) == "hello"


def test_half_an_emoji_in_the_payload_is_text_to_msgspec() -> None:
    """As it is to event.json(); pydantic refuses it."""
    assert read(Struct, b'{"text": "\\ud83d"}').text == "\ud83d"
    assert refused(Model, b'{"text": "\\ud83d"}').place == "$"


@pytest.mark.parametrize("kind", KINDS)
def test_the_place_is_told_where_a_body_does_not_fit(kind: Any) -> None:
    """It begins at the whole body, wherever the payload is in it."""
    bad = b'{"p": {"text": "hello", "sizes": [1, "secret"]}}'
    error = refused(kind, bad, "/p")

    assert error.place.startswith("$.p.sizes[")
    assert f" at {error.place}" in str(error)
    assert "secret" not in error.place


@pytest.mark.parametrize(
    ("data", "pointer", "place"),
    [
        (b"", "", "$"),
        (b"not json", "", "$"),
        (b"[" * 100_000, "", "$"),
        (b'{"a": {}}', "/a/b", "$.a"),
        (b'{"a": [1]}', "/a/1", "$.a"),
        (b'{"a": [1]}', "/a/x", "$.a"),
        (b'{"a": 5}', "/a/x", "$.a"),
        (b'{"a": "\\ud83d"}', "/a/x", "$.a"),
        (b"[]", "", "$"),
    ],
)
@pytest.mark.parametrize("kind", [Struct, Model])
def test_a_body_that_is_no_json_or_lacks_the_part_is_refused(
    kind: Any, data: bytes, pointer: str, place: str
) -> None:
    """One kind of error for everything that can be wrong with a body."""
    assert refused(kind, data, pointer).place == place


def test_a_body_in_an_unknown_encoding_is_refused() -> None:
    """It can be read by nobody."""
    assert refused(Struct, GOOD, content_encoding="br").place == "$"


def test_a_senders_keys_are_not_told() -> None:
    """A key of a mapping can be a telephone number; only declared names are in the place."""
    error = refused(Model, b'{"text": "x", "people": {"+49 30 1": "secret"}}')

    assert error.place == "$.people[...]"


def test_much_that_is_wrong_is_told_in_a_few_words() -> None:
    """A dead letter has little room."""
    error = refused(Model, json.dumps({"text": 5, "sizes": ["x"] * 100}).encode())

    assert str(error).count(" at $") == 3


async def test_a_body_that_does_not_fit_is_given_up_at_once() -> None:
    """With a reason of its own; the log has the place and no message."""
    ran: list[Event] = []

    async def handle(event: Event, message: Struct) -> None:
        ran.append(event)

    runner = Runner(make_handler(handle))
    with capture_logs() as logs:
        outcome: Outcome = await runner.run(make_seen(data=b'{"text": 5}'))

    assert outcome == GaveUp(
        "InvalidPayload: Expected `str`, got `int` at $.text", "invalid_payload"
    )
    assert ran == []
    assert [(line["event"], line["at"], line["event_id"]) for line in logs] == [
        ("payload_refused", "$.text", "evt_1")
    ]


async def test_a_plain_functions_payload_is_refused_alike() -> None:
    """It is decoded in its thread."""

    def handle(event: Event, message: Model) -> None:
        """Never get here."""

    assert isinstance(await run(handle), GaveUp)


async def test_the_decoder_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making one takes a hundred times as long as using it."""
    made: list[Any] = []
    make = msgspec.json.Decoder

    def counted(kind: Any) -> Any:
        made.append(kind)
        return make(kind)

    monkeypatch.setattr(msgspec.json, "Decoder", counted)

    async def handle(event: Event, message: Struct) -> None:
        """Take it."""

    runner = Runner(make_handler(handle))
    outcomes = [await runner.run(make_seen(data=GOOD)) for _ in range(3)]

    assert outcomes == [Done()] * 3
    assert made == [Struct]


@pytest.mark.parametrize(
    ("kind", "is_one"),
    [
        *[(kind, True) for kind in KINDS],
        (Other | Another, True),
        (Struct | None, True),
        (Struct | int, False),
        (dict[str, Any], False),
        (Event, False),
        (str, False),
        (None, False),
        ("Struct", False),
    ],
)
def test_what_is_a_payload_is_told_by_its_type(kind: Any, *, is_one: bool) -> None:
    """Only by types that are made for it: others may be anything."""
    assert is_payload(kind) is is_one


def test_a_type_that_holds_what_cannot_be_decoded_is_said_at_once() -> None:
    """Not at the first event."""

    class Odd(msgspec.Struct):
        one: list[int] | set[int]

    class OddModel(pydantic.BaseModel):
        one: "Nowhere"  # type: ignore[name-defined]  # noqa: F821

    for kind in (Odd, OddModel):
        with pytest.raises(ValueError, match=r"TypeError: |PydanticUndefinedAnnotation: "):
            decoder(kind)


@pytest.mark.parametrize("pointer", ["payload", "#/payload", 5])
def test_what_is_no_pointer_is_said(pointer: object) -> None:
    """With an example."""
    with pytest.raises(ValueError, match="is no JSON pointer"):
        parse_pointer(pointer)
