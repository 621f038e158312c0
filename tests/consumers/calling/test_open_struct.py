"""Structs that keep what they do not know."""

import copy
import json
import pickle
from typing import Any

import msgspec
import pytest

from consumers.calling.open_struct import OpenStruct, encode
from consumers.calling.payload import InvalidPayload, decoder
from tests.consumers.making import make_seen


class Inner(OpenStruct, kw_only=True):
    """A part."""

    id: str
    note: str | None = None


class Outer(OpenStruct, kw_only=True):
    """A whole, with a field of each form."""

    id: str
    text: str | None = None
    count: int | float | None = None
    flag: bool | None = None
    words: list[str] = msgspec.field(default_factory=list)
    part: Inner | None = None
    parts: list[Inner] = msgspec.field(default_factory=list)
    by_name: dict[str, Any] | None = None
    number_or_text: int | str | None = None
    anything: Any = None
    from_: str | None = msgspec.field(default=None, name="from")


WHOLE: dict[str, Any] = {
    "id": "1",
    "text": "t",
    "count": 1.5,
    "flag": False,
    "words": ["a"],
    "part": {"id": "p", "note": None, "new": [1]},
    "parts": [{"id": "q"}, {"id": "r", "newer": None}],
    "by_name": {"a": {"b": 1}},
    "number_or_text": 3,
    "anything": [None],
    "from": "me",
    "extra": 1,
    "_given": 2,
    "newest": {"x": None},
}


def test_what_is_known_has_its_field_and_the_rest_is_kept_on_each_level() -> None:
    """Names of ours are the sender's too."""
    found = Outer.from_json(WHOLE)

    assert (found.text, found.count, found.flag, found.words) == ("t", 1.5, False, ["a"])
    assert (found.by_name, found.anything, found.from_) == ({"a": {"b": 1}}, [None], "me")
    assert found.extra == {"extra": 1, "_given": 2, "newest": {"x": None}}
    assert found.part == Inner(id="p", extra={"new": [1]})
    assert [part.extra for part in found.parts] == [{}, {"newer": None}]
    assert json.loads(encode(found)) == WHOLE


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("text", 7),
        ("count", "7"),
        ("count", True),
        ("flag", 0),
        ("words", None),
        ("words", ["a", 1]),
        ("part", "p"),
        ("part", {"note": "without an id"}),
        ("parts", None),
        ("parts", {}),
        ("parts", [{"id": "q"}, 5]),
        ("by_name", []),
        ("number_or_text", 1.5),
        ("from", {}),
    ],
)
def test_an_odd_value_costs_its_own_field_only(name: str, odd: Any) -> None:
    """It is kept as it came, and written again."""
    found = Outer.from_json(WHOLE | {name: odd})
    default: list[str] | None = [] if name in {"words", "parts"} else None

    assert getattr(found, "from_" if name == "from" else name) == default
    assert found.extra[name] == odd
    assert found.id == "1"
    assert json.loads(encode(found)) == WHOLE | {name: odd}


@pytest.mark.parametrize("body", [{"id": "1", "text": None, "words": [], "part": None}, {"id": ""}])
def test_what_came_with_just_its_default_is_written_again(body: dict[str, Any]) -> None:
    """And what did not come is not."""
    found = Outer.from_json(body)

    assert found.extra == {}
    assert json.loads(encode(found)) == body


def test_what_is_changed_is_written_and_so_is_what_is_not() -> None:
    """Also in place of an odd value; a field that is set to its default goes."""
    found = Outer.from_json(WHOLE | {"text": 7})
    changed = msgspec.structs.replace(found, text="u", count=None)
    expected = WHOLE | {"text": "u"}
    del expected["count"]

    assert json.loads(encode(changed)) == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "Expected `object`, got `array`"),
        (None, "Expected `object`, got `null`"),
        ({}, "Object missing required field `id`"),
        ({"id": 5}, "Expected `str`, got `int` - at `$.id`"),
    ],
)
def test_what_must_be_there_is_asked_for(value: Any, said: str) -> None:
    """In msgspec's words, without what stands there."""
    with pytest.raises(msgspec.ValidationError) as refused:
        Outer.from_json(value)

    assert str(refused.value) == said


def test_two_are_equal_by_what_they_say() -> None:
    """Whether a default came or not; a copy is as good."""
    found = Outer.from_json({"id": "1", "text": None, "new": 1})
    same = Outer(id="1", extra={"new": 1})

    assert (found == same, found != same) == (True, False)
    assert found != Outer(id="1")
    assert found != Outer(id="1", extra={"new": 1}, text="t")
    assert found != Inner(id="1", extra={"new": 1})
    for again in (copy.copy(found), pickle.loads(pickle.dumps(found))):
        assert again == found
        assert json.loads(encode(again)) == {"id": "1", "text": None, "new": 1}


def test_its_text_names_fields_and_quotes_none() -> None:
    """Also none of the names that the sender has made up."""
    assert repr(Outer.from_json({"id": "secret", "text": "secret", "secret": 1})) == (
        "<Outer: id, text; 1 more>"
    )


class Own(msgspec.Struct):
    """A user's, with one of ours in it."""

    part: Inner


def test_within_a_struct_of_ones_own_msgspec_makes_it() -> None:
    """So nothing is kept there, as the page says, and nothing breaks."""
    found = decoder(Own)(make_seen(data=b'{"part": {"id": "p", "new": 1, "extra": 5}}'))

    assert found.part == Inner(id="p")


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        (Inner, b'{"p": {"id": "1", "note": 5}}', Inner(id="1", extra={"note": 5})),
        (Inner | None, b'{"p": {"id": "1", "new": 5}}', Inner(id="1", extra={"new": 5})),
        (Inner | None, b'{"p": null}', None),
        (
            Inner,
            b'{"p": {"id": "\\ud83d", "new": "\\ud83d"}}',
            Inner(id="\ud83d", extra={"new": "\ud83d"}),
        ),
    ],
)
def test_as_a_payload_it_keeps_what_it_does_not_know(kind: Any, body: bytes, found: Any) -> None:
    """Half an emoji included, which is JSON to Python only."""
    assert decoder(kind, "/p")(make_seen(data=body)) == found


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"p": {}}', "$.p"),
        (b'{"p": {"id": 5}}', "$.p.id"),
        (b'{"p": [1]}', "$.p"),
        (b'{"p": "\\ud83d"}', "$.p"),
        (b"{}", "$"),
        (b"no", "$"),
    ],
)
def test_a_payload_that_does_not_fit_is_told_with_its_place(body: bytes, place: str) -> None:
    """As with any other type."""
    with pytest.raises(InvalidPayload) as refused:
        decoder(Inner, "/p")(make_seen(data=body))

    assert refused.value.place == place


def test_what_could_not_be_told_from_it_is_a_fault_at_the_start() -> None:
    """Two open structs in one."""
    with pytest.raises(ValueError, match="multiple Struct types"):
        decoder(Inner | Outer)


def test_half_an_emoji_is_written_so_that_it_can_be_read() -> None:
    """And a whole one as it is."""
    assert encode(Inner(id="\U0001f389")) == '{"id":"\U0001f389"}'.encode()
    assert encode(Inner(id="\ud83d")) == b'{"id":"\\ud83d"}'
