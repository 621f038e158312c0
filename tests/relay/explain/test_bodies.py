"""The bodies that are tried: the same JSON, in bounded number and size."""

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.explain.bodies import MAX_BODIES, MAX_BYTES, bodies
from relay.explain.json_forms import MAX_DEPTH, forms

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
).map(lambda inner: [inner])
LAYOUTS = st.sampled_from([None, 2, 4, "\t"])


@given(value=JSON, indent=LAYOUTS, to_ascii=st.booleans())
def test_every_form_is_the_same_json(value: object, indent: int | str, *, to_ascii: bool) -> None:
    """Only what is between the values changes, and how they are written."""
    body = json.dumps(value, indent=indent, ensure_ascii=to_ascii).encode("utf-8", "replace")

    # A very large number as a fraction is another one.
    exact = [form for form, words in forms(body) if "1.0" not in words]
    assert all(json.loads(form) == json.loads(body) for form in exact)


@given(value=JSON, was=LAYOUTS, came=LAYOUTS, to_ascii=st.booleans())
def test_a_body_that_python_wrote_again_is_among_its_forms(
    value: object, was: int | str, came: int | str, *, to_ascii: bool
) -> None:
    """Whatever both layouts were."""
    signed = json.dumps(value, indent=was, ensure_ascii=to_ascii).encode()
    written = json.dumps(json.loads(signed), indent=came).encode()

    assert signed in {written, *(form for form, _ in forms(written))}


@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_each_body_is_tried_once_and_there_are_not_many(body: bytes) -> None:
    """Each costs one signature of each secret."""
    tried = [other for other, _ in bodies(body)]

    assert len(tried) == len(set(tried)) <= MAX_BODIES
    assert body not in tried


def test_a_body_that_is_too_long_is_not_written_again() -> None:
    """It would take too long in all of its forms."""
    long = json.dumps(["a" * MAX_BYTES]).encode()

    assert list(bodies(long)) == []


def test_what_is_deep_is_not_indented() -> None:
    """Its indented form would be many times as long."""
    deep = b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)
    words = {words for _, words in forms(deep)}

    assert not any("indented" in each for each in words)


def test_a_packed_body_is_unpacked_to_a_bound() -> None:
    """A bomb is no larger than a body."""
    longest = max(len(other) for other, _ in bodies(zlib.compress(b"a" * 10 * MAX_BYTES)))

    assert longest <= MAX_BYTES


def test_no_more_are_tried_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many forms there come to be."""
    monkeypatch.setattr("relay.explain.bodies.MAX_BODIES", 3)

    assert len(list(bodies(b'{"a":[1,2]}'))) == 3


@pytest.mark.parametrize(
    ("came", "forged"),
    [
        (b'{"paid":1,"paid":2}', b'{"paid":2}'),
        (b'[{"a":{"b":1,"b":2}}]', b'[{"a":{"b":2}}]'),
        (b'{"paid":1e999}', b'{"paid":Infinity}'),
    ],
)
def test_what_says_something_else_is_not_tried(came: bytes, forged: bytes) -> None:
    """A key that stands there twice may be what a forger has added to what was signed."""
    tried = {other for other, _ in bodies(came)}

    assert forged not in tried
