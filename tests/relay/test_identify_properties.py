"""What holds for the identification of anything that was verified."""

import gzip
import json

from hypothesis import given
from hypothesis import strategies as st

from relay.append.script import pack
from relay.contract.event import IdentifiedEvent
from relay.contract.keys import UNIDENTIFIED, Keys, is_event_type
from relay.identify import identify
from relay.verify import verify
from tests.making import make_endpoint, make_signed

# Any text that JSON can carry, halves of characters included.
TEXTS = st.text(alphabet=st.characters(), max_size=30) | st.sampled_from(["\ud83d", "a\udc00b"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.fixed_dictionaries(
    {}, optional={"id": JSON, "type": JSON, "account_id": JSON, "created_at": JSON, "payload": JSON}
)
# As the server decodes header bytes: UTF-8, and what is not as surrogates.
HEADER_TEXTS = st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "content-encoding", "user-agent", "traceparent"]),
    HEADER_TEXTS | st.sampled_from(["gzip", "deflate", "identity"]),
    max_size=4,
)


def identified(body: bytes, headers: dict[str, str], query: str = "") -> IdentifiedEvent:
    """Verify and identify, over four partitions."""
    endpoint = make_endpoint(partitions=4)
    return identify(verify(make_signed(body, headers, endpoint=endpoint, query=query)))


def check(found: IdentifiedEvent, body: bytes) -> None:
    """Assert what must be true of every identified event."""
    event = found.event
    sent_to = pack(found, Keys())
    written = [
        part for part in (*sent_to.route.keys, *sent_to.route.arguments) if isinstance(part, str)
    ]

    assert event.data == body
    assert event.id
    assert found.identity == event.id.encode()
    assert event.type == UNIDENTIFIED or is_event_type(event.type)
    assert found.tag in {f"unipile#{number}" for number in range(4)}
    assert "".join(written).encode() is not None


@given(value=OBJECTS, ascii_only=st.booleans())
def test_any_json_values_are_identified(value: dict[str, object], *, ascii_only: bool) -> None:
    """Whatever stands for id, type, account and time, the event can be written to the store."""
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    check(identified(body, {}), body)


@given(st.binary(max_size=200), HEADERS, HEADER_TEXTS)
def test_any_bytes_are_identified(body: bytes, headers: dict[str, str], query: str) -> None:
    """Whatever body, headers and query came, the event can be written to the store."""
    check(identified(body, headers, query), body)


@given(OBJECTS.map(json.dumps).map(str.encode), st.integers(min_value=0, max_value=400))
def test_compressed_and_cut_bodies_are_identified(body: bytes, cut: int) -> None:
    """A compressed body that stops anywhere is still an event."""
    packed = gzip.compress(body)[: cut or None]

    check(identified(packed, {"content-encoding": "gzip"}), packed)


@given(TEXTS.filter(lambda text: text.isprintable() and bool(text)), st.sampled_from(["a", "b.c"]))
def test_usable_ids_and_types_are_kept(event_id: str, event_type: str) -> None:
    """An id that can be written and a harmless type are taken as they came."""
    body = json.dumps({"id": event_id, "type": event_type}).encode()

    event = identified(body, {}).event

    assert (event.id, event.type) == (event_id, event_type)
