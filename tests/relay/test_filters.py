"""Which rule fits an event: its account, its type, and what stands in its body."""

import json
from typing import Any

import msgspec
import pytest

import relay.filters
from relay.contract.keys import UNIDENTIFIED
from relay.filters import Fit, diverted, fitting
from relay.identify.reading import inside_of, readable
from tests.making import gzipped, make_endpoint, make_event, make_identified
from tests.relay.filtering import filtering

DEEP = b'{"a":' * 50_000


def fits(body: bytes | Any, pointer: str, **condition: Any) -> bool:
    """Tell whether a rule with a pointer fits a body, which may be given as what it holds."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    endpoint = filtering({"pointer": pointer, **condition})
    return fitting(make_event(data=data), endpoint) is not None


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", {"whole": 1}),
        ("/payload/is_sender", True),
        ("/list/0", "first"),
        ("/list/11", "last"),
        ("/list/0/", "under an empty key"),
        ("/", "empty key"),
        ("/a~1b", "slash"),
        ("/m~0n", "tilde"),
        ("/~01", "tilde, one"),
        ("/k l", "blank"),
        ("/é", "accent"),
        ("/0", "a key that looks like an index"),
    ],
)
def test_a_pointer_leads_to_one_value(pointer: str, value: Any) -> None:
    """Keys from the outermost, indexes of arrays, and the two escapes."""
    body: Any = {
        "payload": {"is_sender": True},
        "list": ["first", *range(10), "last"],
        "": "empty key",
        "a/b": "slash",
        "m~n": "tilde",
        "~1": "tilde, one",
        "k l": "blank",
        "é": "accent",
        "0": "a key that looks like an index",
    }
    if pointer == "":
        body = value
    if pointer == "/list/0/":
        body = {"list": [{"": value}]}

    assert fits(body, pointer, exists=True)
    if not isinstance(value, dict):
        assert fits(body, pointer, equals=value)
        assert not fits(body, pointer, equals="another")


@pytest.mark.parametrize(
    "pointer",
    [
        *("/b", "/a/b", "/A", "//", "/text/0"),
        *("/list/2", "/list/-", "/list/-1", "/list/00", "/list/1.0", "/list/a", "/list/"),
        *("/list/\N{ARABIC-INDIC DIGIT ZERO}", "/list/" + "9" * 900),
    ],
)
def test_a_pointer_may_lead_nowhere(pointer: str) -> None:
    """Then only the rule fits that wants nothing there."""
    body = {"a": 1, "list": ["x", None], "text": "abc"}

    assert fits(body, pointer, exists=False)
    assert not fits(body, pointer, exists=True)
    assert not fits(body, pointer, equals="x")


@pytest.mark.parametrize(
    ("stands", "asked", "equal"),
    [
        (b"true", True, True),
        (b"true", 1, False),
        (b"1", True, False),
        (b"false", False, True),
        (b"0", False, False),
        (b"false", 0, False),
        (b"1", 1, True),
        (b"1.0", 1, True),
        (b"1", 1.0, True),
        (b"1e2", 100, True),
        (b"-0.0", 0, True),
        (b'"1"', 1, False),
        (b"1", "1", False),
        (b'"true"', True, False),
        (b'"\\u0061"', "a", True),
        (b'"A"', "a", False),
        (b'""', "", True),
        (b"null", "null", False),
        (b"null", False, False),
        (b"[1]", 1, False),
        (b'{"a":1}', 1, False),
        (b"99999999999999999999", 99999999999999999999, True),
        (b"9007199254740993", 9007199254740992.0, False),
    ],
)
def test_values_are_compared_as_json_has_them(stands: bytes, asked: Any, *, equal: bool) -> None:
    """Kind and value must be equal, and there is one kind of numbers."""
    body = b'{"a": %b }' % stands

    assert fits(body, "/a", equals=asked) is equal
    assert fits(body, "/a", **{"in": ["x", asked, 7]}) is equal
    assert fits(body, "/a", exists=True)


def test_a_null_is_there() -> None:
    """It exists, and equals nothing that a rule can name."""
    assert fits(b'{"a":null}', "/a", exists=True)
    assert not fits(b'{"a":null}', "/a", exists=False)


@pytest.mark.parametrize(
    "body",
    [
        gzipped(b'{"a":"x"}'),
        b'\xef\xbb\xbf{"a":"x"}',
        b'{"a":"y","a":"x"}',
        b'{"a":"x","cut":"\\ud83d"}',
        b'{"a":"x","cut":"\xed\xa0\xbd"}',
        b'{"a":"x","\\ud83d":1}',
        b'{"big":1e400,"bigger":%b,"a":"x"}' % (b"9" * 5000),
    ],
)
def test_a_body_is_looked_into_as_its_id_and_type_are(body: bytes) -> None:
    """Packed, with half a character in it, with a key twice: the last counts."""
    assert fits(body, "/a", equals="x")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"no JSON", b"a=x&b=1", b"<a>x</a>", b"\xff", b"\x1f\x8bnothing"),
        *(b'{"a":"x"', b'{"a":"x"} more', DEEP, b"[" * 50_000),
    ],
)
@pytest.mark.parametrize("pointer", ["", "/a", "/a/a"])
def test_what_is_no_json_has_no_values(body: bytes, pointer: str) -> None:
    """And fails nothing, however it is made."""
    assert fits(body, pointer, exists=False)
    assert not fits(body, pointer, exists=True)
    assert not fits(body, pointer, equals="x")


@pytest.mark.parametrize("stands", [b"1e400", b"9" * 5000, b"-" + b"9" * 5000])
def test_a_number_out_of_range_is_there_and_equals_nothing(stands: bytes) -> None:
    """Nobody can say which one it is."""
    body = b'{"a":%b}' % stands

    assert fits(body, "/a", exists=True)
    assert not fits(body, "/a", equals=1)


@pytest.mark.parametrize(
    ("rule", "fit"),
    [
        ({"types": ["unipile:message.*"]}, True),
        ({"types": ["unipile:email.*", "*:*.new"]}, True),
        ({"types": ["unipile:email.*"]}, False),
        ({"accounts": ["acc_1", "acc_2"]}, True),
        ({"accounts": ["acc_2"]}, False),
        ({"accounts": ["acc_1"], "types": ["unipile:message.new"]}, True),
        ({"accounts": ["acc_1"], "types": ["unipile:message.sent"]}, False),
        ({"accounts": ["acc_1"], "pointer": "/a", "equals": 1}, True),
        ({"accounts": ["acc_1"], "pointer": "/a", "equals": 2}, False),
        ({"accounts": ["acc_2"], "pointer": "/a", "equals": 1}, False),
        ({"types": ["unipile:email.*"], "pointer": "/a", "equals": 1}, False),
    ],
)
def test_an_event_fits_what_fits_in_everything(rule: dict[str, Any], *, fit: bool) -> None:
    """Account, type and place in the body must all be as the rule says."""
    event = make_event(account="acc_1", data=b'{"a":1}')

    assert (fitting(event, filtering(rule)) is not None) is fit


def test_a_rule_without_a_pointer_takes_any_body() -> None:
    """Also one that is no JSON."""
    assert fitting(make_event(data=b"no JSON"), filtering({"types": ["*:*"]})) == Fit("0")


@pytest.mark.parametrize(
    ("event_type", "account"),
    [(UNIDENTIFIED, None), ("never.seen", "acc_9"), ("message.new", None)],
)
def test_what_is_unknown_passes_unless_a_rule_means_it(
    event_type: str, account: str | None
) -> None:
    """No type or account that a rule does not name is kept out by it."""
    event = make_event(type=event_type, account=account)
    others = filtering({"types": ["unipile:email.*"]}, {"accounts": ["acc_1"]})
    all_of_them = filtering({"types": [f"unipile:{event_type}"]})

    assert fitting(event, others) is None
    assert fitting(event, all_of_them) == Fit("0")


def test_the_first_rule_that_fits_decides() -> None:
    """Also where a later one says otherwise."""
    endpoint = filtering(
        {"types": ["unipile:email.*"]},
        {"pointer": "/a", "equals": 1, "then": "divert", "to": "first"},
        {"types": ["unipile:message.*"]},
    )

    assert fitting(make_event(data=b'{"a":1}'), endpoint) == Fit("1", "first")
    assert fitting(make_event(data=b'{"a":2}'), endpoint) == Fit("2")
    assert fitting(make_event(type="other", data=b'{"a":2}'), endpoint) is None


def test_what_is_not_wanted_at_all_comes_before_the_rules() -> None:
    """The two lists say which events there are; the rules, what becomes of those."""
    endpoint = filtering(
        {"types": ["*:*"], "then": "divert", "to": "own"}, accounts=frozenset({"acc_1"})
    )

    assert fitting(make_event(account="acc_2"), endpoint) == Fit("accounts")
    assert fitting(make_event(account="acc_1"), endpoint) == Fit("0", "own")


def counted_reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Note what is read of bodies from now on."""
    read: list[bytes] = []

    def counting(plain: bytes) -> Any:
        read.append(plain)
        return inside_of(plain)

    def readable_counting(plain: bytes) -> bytes | None:
        read.append(plain)
        return readable(plain)

    monkeypatch.setattr(relay.filters, "inside_of", counting)
    monkeypatch.setattr(relay.filters, "readable", readable_counting)
    return read


def test_each_part_of_a_body_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rules look into it."""
    read = counted_reads(monkeypatch)
    body = b'{"a":{"b":1,"c":2},"d":3}'
    endpoint = filtering(
        *({"pointer": pointer, "equals": 9} for pointer in ("/a/b", "/a/c", "/d", "/e", "/a/b")),
    )

    assert fitting(make_event(data=body), endpoint) is None
    assert read == [body, b'{"b":1,"c":2}']


def test_a_body_is_not_read_where_no_rule_that_is_reached_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rules without a pointer, and those whose type or account is another, look at none."""
    read = counted_reads(monkeypatch)
    endpoint = filtering(
        {"types": ["*:email.*"], "pointer": "/a", "exists": True},
        {"accounts": ["acc_2"], "pointer": "/a", "exists": True},
        {"types": ["*:message.*"]},
        {"pointer": "/a", "exists": True},
    )

    assert fitting(make_event(account="acc_1"), endpoint) == Fit("2")
    assert fitting(make_event(), make_endpoint()) is None
    assert read == []


@pytest.mark.parametrize(
    ("event_type", "sent", "kept"),
    [
        ("message.new", None, "message.new"),
        ("message.new", "message_received", "message_received"),
        (UNIDENTIFIED, "weird {type}", "weird {type}"),
        (UNIDENTIFIED, None, None),
    ],
)
def test_a_diverted_event_keeps_its_own_type_beside_the_new_one(
    event_type: str, sent: str | None, kept: str | None
) -> None:
    """By its identity it is the same event, and the operator's type may always begin."""
    identified = msgspec.structs.replace(
        make_identified("evt_1"),
        event=make_event(type=event_type, original_type=sent),
        max_new_types_per_hour=0,
    )

    found = diverted(identified, "message.own")

    assert (found.event.type, found.event.original_type) == ("message.own", kept)
    assert (found.identity, found.tag, found.event.id) == (identified.identity, "unipile", "evt_1")
    assert found.max_new_types_per_hour is None
