"""Where an event's values are found: paths, forms, headers, and what stands around an element."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from multidict import CIMultiDict

from relay.delivery import Claim, Delivery
from relay.identify.places import Around, Finder, Surroundings
from relay.provider import Places, Provider, Texts
from relay.scheme import Signature
from tests.making import make_endpoint

EVENT = {
    "id": "a",
    "number": 7,
    "yes": True,
    "empty": "",
    "nothing": None,
    "inner": {"id": "b", "deep": {"id": "c"}},
    "one": [{"id": "d"}],
    "two": [{"id": "e"}, {"id": "f"}],
    "text": json.dumps({"id": "g", "list": [{"id": "h"}]}),
    "plain": "no json",
}


def type_in(
    body: bytes | Mapping[str, object],
    text: Texts,
    *,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    **places: Any,
) -> Any:
    """Find the type of an event."""
    event = Places(type=text, **places)
    provider = Provider(name="x", title="X", scheme=Signature(header="s"), event=event)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    delivery = Delivery(
        endpoint=make_endpoint(provider=provider),
        claim=Claim(),
        headers=CIMultiDict(headers or {}),
        query=query,
        body=data,
        received_at_ms=0,
    )
    around = Surroundings(Around(b'{"id":"parent"}'), Around(b'{"object":"whole"}'))
    return Finder(provider).find(delivery, data, around)[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{body.id}", "a"),
        ("{body.inner.id}", "b"),
        ("{body.inner.deep.id}", "c"),
        ("{body.one.id}", "d"),
        ("{body.two.id}", None),
        ("{body.text.id}", "g"),
        ("{body.text.list.id}", "h"),
        ("{body.plain.id}", None),
        ("{body.id.id}", None),
        ("{body.number|number}", "7"),
        ("{body.yes|number}", True),
        ("{body.inner.id}-{body.number|number}", "b-7"),
        ("{body.inner.id}-{body.missing}", None),
        ("{body.empty}-x", None),
        ("always", "always"),
        (("{body.missing}", "{body.empty}", "{body.id}"), "a"),
        (("{body.missing}.x", "{body.id}.y"), "a.y"),
        ("{parent.id}/{whole.object}", "parent/whole"),
        ("{other-key.id,number,yes,empty,nothing}", "inner"),
        ("{header.x-kind}", "kind"),
        ("{query.kind}", "asked"),
        ("{form.id}", None),
    ],
)
def test_a_text_with_places_is_filled_in(text: Texts, expected: object) -> None:
    """A missing value makes the whole text missing; the first whole one counts."""
    headers, query = {"X-Kind": "kind"}, "a=b&kind=asked"

    assert type_in(EVENT, text, headers=headers, query=query) == expected


@pytest.mark.parametrize(
    ("body", "text", "expected"),
    [
        (b'{"a":"1"}', "{content.a}", "1"),
        (b'{"a":{"b":"1"}}', "{content.a.b}", "1"),
        (b'{"a[b]":"1"}', "{content.a.b}", None),
        (b"a=1", "{content.a}", "1"),
        (b"a[b]=1", "{content.a.b}", "1"),
        (b"a%5Bb%5D%5Bc%5D=1", "{content.a.b.c}", "1"),
        (b"a=%7B%22b%22%3A%221%22%7D", "{content.a.b}", "1"),
        (b"a=%7B%22b%22%3A%221%22%7D&a[b]=2", "{content.a.b}", "2"),
        (b"a=1", "{content.a.b}", None),
        (b"a=7", "{content.a|number}", "7"),
        (b"command=%2Fweather&text=", "command:{form.command}", "command:/weather"),
        (b"payload=%7B%22type%22%3A%22block%22%7D", "{form.payload.type}", "block"),
        (b"a=1&a=2", "{form.a}", "2"),
        (b"a=", "{form.a}", ""),
        (b"\xff=1", "{form.a}", None),
        (b"", "{form.a}", None),
        (b"&".join([b"a=1"] * 2000), "{form.a}", None),
    ],
)
def test_a_form_is_read_by_its_fields(body: bytes, text: str, expected: object) -> None:
    """What looks like JSON is no form, and a form without end is none either."""
    assert type_in(body, text) == expected


def test_a_type_may_be_called_otherwise() -> None:
    """What has no other name keeps its own."""
    names: Any = {"type_names": {"7": "seven"}}

    assert type_in(EVENT, "{body.number|number}", **names) == "seven"
    assert type_in(EVENT, "{body.id}", **names) == "a"


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 50_000, b'{"id":"\\ud83d"}', b"\xef\xbb\xbf{}", b"\xff"]
)
def test_whatever_the_body_is_nothing_is_raised(body: bytes) -> None:
    """What cannot be read has no values."""
    paths = ("{body.id.a.b.c}", "{other-key.id,a}", "{form.a.b}", "{body.one.two}")

    assert type_in(body, paths) is None


@pytest.mark.parametrize(
    "text", ["{id}", "{body}", "{body.}", "{cookie.x}", "{body.id", "body.id}", "{}", "{.x}"]
)
def test_what_is_no_place_is_a_fault(text: str) -> None:
    """It is said when the configuration is read, and not with the first event."""
    with pytest.raises(ValueError, match=r"place|braces"):
        Places(type=text)


@pytest.mark.parametrize("path", ["", "a", "a.b", "[]a", "a[].b", "a..b[]"])
def test_what_is_no_array_is_a_fault(path: str) -> None:
    """A body is split where a path ends with an array."""
    with pytest.raises(ValueError, match="split"):
        Places(split=path)


def test_odd_bytes_of_a_query_are_read_as_text() -> None:
    """They come as half pairs of surrogates, which nothing behind could write."""
    assert type_in({}, "{query.id}", query="id=\udcff") == "\N{REPLACEMENT CHARACTER}"
    assert type_in({}, "{query.id}", query="id=%FF") == "\N{REPLACEMENT CHARACTER}"
