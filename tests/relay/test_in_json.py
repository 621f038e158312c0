"""Values of a body that is JSON, of which nothing else is made."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.verify.in_json import parsed, picker, text_at, text_in, written_at

KEYS = st.sampled_from(["a", "b", "c"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(".".join)


@given(st.dictionaries(KEYS, JSON, max_size=3), PATHS)
def test_a_text_is_that_of_the_whole_body(value: dict[str, Any], path: str) -> None:
    """Reading only what is asked for finds what reading everything finds."""
    body = json.dumps(value).encode()

    assert text_at(body, path) == text_in(parsed(body), path)


@given(st.dictionaries(KEYS, JSON, max_size=3), st.lists(PATHS, min_size=1, max_size=4))
def test_several_are_read_at_once(value: dict[str, Any], paths: list[str]) -> None:
    """Also where one path goes on where another ends."""
    body = json.dumps(value).encode()
    ends = [path for path in paths if not any(other.startswith(f"{path}.") for other in paths)]
    picked = picker(ends)(body)

    assert [text_in(picked, path) for path in ends] == [text_in(value, path) for path in ends]


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"null", b"{", b'{"a":', b"\xff", b"[" * 9999])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    """And not taken for an empty one."""
    with pytest.raises(ValueError, match="no JSON"):
        picker(["a"])(body)

    assert text_at(body, "a") is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"cut":"\\ud83d","at":7}',
        b'{"cut":"\\ude00\\ud83d\\ude00","at":7}',
        b'\xef\xbb\xbf{"at":7}',
    ],
)
def test_half_an_emoji_or_a_bom_hides_no_text(body: bytes) -> None:
    """Senders cut texts without regard to what they cut through."""
    assert text_at(body, "at") == "7"


def test_what_is_not_asked_for_is_not_read() -> None:
    """Not even where it is no text at all; what is asked for has to be one."""
    assert text_at(b'{"a":"1","b":"\xff"}', "a") == "1"
    assert text_at(b'{"a":"1","b":"\xff"}', "b") is None


def test_an_object_where_a_text_should_be_stays_as_it_is_written() -> None:
    """A million objects in it are no objects here, and it is neither a text nor missing."""
    picked = picker(["a"])(b'{"a":[{},{}]}')

    assert bytes(picked["a"]) == b"[{},{}]"
    assert text_in(picked, "a") is None


@pytest.mark.parametrize(
    ("most", "found"), [(None, ["1", "2", "3"]), (2, ["1", "2"]), (5, ["1", "2", "3"])]
)
def test_so_many_elements_are_read(most: int | None, found: list[str]) -> None:
    """Those after them cost next to nothing."""
    picked = picker(["a[].b"], most=most)(b'{"a":[{"b":1,"c":{}},{"b":2},{"b":3}]}')

    assert [text_in(item, "b") for item in picked["a"]] == found


@pytest.mark.parametrize("wrong", [b"null", b"{}", b"1", b"[]", b'{"c":1}'])
@pytest.mark.parametrize("most", [None, 2])
def test_each_element_must_have_the_one_key(wrong: bytes, most: int | None) -> None:
    """One that has it not spoils the others, and is not passed over."""
    with pytest.raises(ValueError, match="no JSON"):
        picker(["a[].b"], most=most)(b'{"a":[{"b":1},%b]}' % wrong)


def test_where_several_keys_are_read_of_an_element_some_may_be_missing() -> None:
    """As not every value of an event is there each time."""
    picked = picker(["a[].b", "a[].c.d"])(b'{"a":[{"b":1},{"c":{"d":2}},{}]}')

    assert picked == {"a": [{"b": 1}, {"c": {"d": 2}}, {}]}


@pytest.mark.parametrize(
    ("body", "written"),
    [(b'{"a": { "b" :1} }', b'{ "b" :1}'), (b'{"a": "x"}', b'"x"'), (b"{}", b"null")],
)
def test_a_value_as_it_is_written(body: bytes, written: bytes) -> None:
    """Its blanks are those of the sender."""
    assert written_at(body, "a") == written
