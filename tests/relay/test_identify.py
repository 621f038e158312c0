"""Which event a verified delivery carries: id, type, account, time and stream."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping

import pytest

from relay.contract.event import IdentifiedEvent
from relay.endpoint import Endpoint
from relay.identify import identify
from relay.verify import verify
from tests.making import NOW, NOW_MS, gzipped, make_endpoint, make_signed

WHOLE: dict[str, object] = {
    "id": "evt_1",
    "created_at": "2026-10-12T09:14:07.512Z",
    "account_id": "acc_1",
    "type": "message.new",
    "payload": {"id": "not this one", "type": "nor this"},
}
DAYS_3 = 72 * 3600


def identified(
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    endpoint: Endpoint | None = None,
    query: str = "",
) -> IdentifiedEvent:
    """Verify and identify a signed body."""
    endpoint = endpoint or make_endpoint()
    return identify(verify(make_signed(body, headers, endpoint=endpoint, query=query)))


def body_with(**changes: object) -> bytes:
    """Write an event object with some values changed."""
    return json.dumps(WHOLE | changes).encode()


def digest_id(body: bytes, signed_at: int = NOW) -> str:
    """Give the id of a body that has none."""
    return "sha256:" + hashlib.sha256(f"{signed_at}.".encode() + body).hexdigest()


def test_an_event_object_is_read() -> None:
    """Id, type, account and time come from the body, whose bytes are kept as they are."""
    body = body_with()

    found = identified(body)

    assert found.event.id == "evt_1"
    assert found.event.type == "message.new"
    assert found.event.account == "acc_1"
    assert found.event.time == "2026-10-12T09:14:07.512Z"
    assert found.event.source == "/webhooks/unipile"
    assert found.event.data == body
    assert found.event.received_at_ms == NOW_MS
    assert found.event.assurance == "body"
    assert found.event.original_type is None
    assert found.identity == b"evt_1"
    assert (found.tag, found.window_seconds, found.max_types) == ("unipile", DAYS_3, 1000)
    assert found.kind == "ids"


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"\xff\xfe\x00", b"[]", b'"text"', b"17", b"null", b"{", b"[" * 100_000],
)
def test_a_body_without_an_object_is_unidentified(body: bytes) -> None:
    """Whatever is no JSON object is kept under ``unidentified``, with its digest as id."""
    found = identified(body)

    assert found.event.type == "unidentified"
    assert found.event.id == digest_id(body)
    assert found.event.original_type is None
    assert found.event.data == body


@pytest.mark.parametrize(
    ("sent", "original"),
    [
        (None, None),
        (17, None),
        (["message.new"], None),
        ("", ""),
        ("Message New", "Message New"),
        ("a}b{c", "a}b{c"),
        ("a\r\nb\0", "a\r\nb\0"),
        ("x" * 10_000, "x" * 1024),
        ("ty\ud83d", "ty\ufffd"),
        ("unidentified", "unidentified"),
        ("relay.control", "relay.control"),
        ("@streams", "@streams"),
        ("ünïcode", "ünïcode"),
    ],
)
def test_hostile_types_are_unidentified(sent: object, original: str | None) -> None:
    """A type that cannot name a stream is kept as `original_type`; the id still counts."""
    found = identified(body_with(type=sent))

    assert found.event.type == "unidentified"
    assert found.event.original_type == original
    assert found.event.id == "evt_1"


@pytest.mark.parametrize("sent", [None, "", 17, 1.5, True, ["evt_1"], {"a": 1}, "evt\ud83d"])
def test_what_is_no_id_gives_the_digest(sent: object) -> None:
    """Without a usable id, signed timestamp and body are the identity, for a short time."""
    body = body_with(id=sent)

    found = identified(body)

    assert found.event.id == digest_id(body)
    assert found.identity == digest_id(body).encode()
    assert (found.kind, found.window_seconds) == ("bodies", 600)
    assert found.event.type == "message.new"


def test_the_window_without_an_id_covers_the_signature() -> None:
    """Where a signature stays good for longer, its digest is remembered as long."""
    endpoint = make_endpoint(tolerance_seconds=400, late_tolerance_seconds=1000)

    assert identified(b"{}", endpoint=endpoint).window_seconds == 1800


@pytest.mark.parametrize(
    "event_id", ["x" * 20_000, "a\r\nset-cookie: b", "a\0b", "é", "\U0001f600", "sha256:x", " "]
)
def test_any_text_is_an_id(event_id: str) -> None:
    """A sender's id is taken as it came, however long or odd."""
    found = identified(body_with(id=event_id))

    assert found.event.id == event_id
    assert found.identity == event_id.encode()
    assert found.window_seconds == DAYS_3


def test_another_body_is_dropped_or_another_event() -> None:
    """What the id alone identifies, and what id and body together do, is the endpoint's choice."""
    one, other = body_with(id="evt_1", a=1), body_with(id="evt_1", a=2)
    stores = make_endpoint(changed_body="store")

    dropped = {identified(body).identity for body in (one, other)}
    stored = [identified(body, endpoint=stores).identity for body in (one, other, one)]

    assert dropped == {b"evt_1"}
    assert stored[0] == stored[2] != stored[1]
    assert all(identity.startswith(b"evt_1\xff") for identity in stored)
    assert identified(b"{}", endpoint=stores).identity == digest_id(b"{}").encode()


@pytest.mark.parametrize("payload", ["cut \\ud83d", "\\udc00 cut", "\\ud83d\\ud83d"])
def test_half_an_emoji_costs_neither_id_nor_type(payload: str) -> None:
    """A text that the sender cut in the middle of a character leaves the rest readable."""
    body = f'{{"id":"evt_1","type":"message.new","text":"{payload}"}}'.encode()

    found = identified(body)

    assert (found.event.id, found.event.type) == ("evt_1", "message.new")


@pytest.mark.parametrize(
    ("sent", "event_id"),
    [
        (r"evt_\ud83d\ude00", "evt_😀"),
        (r"evt_\\ud83d", r"evt_\ud83d"),
        (r"evt_\\\ud83d", None),
        (r"evt_\ud83d\ud83d\ude00", None),
        (r"evt_\udc00\ud83d", None),
    ],
)
def test_beside_half_an_emoji_an_id_is_what_was_sent(sent: str, event_id: str | None) -> None:
    """A whole pair and an escaped backslash are kept; what was cut itself is no id."""
    found = identified(rf'{{"id":"{sent}","type":"message.new","text":"\ud83d"}}'.encode())

    assert found.event.type == "message.new"
    assert found.event.id == (event_id or found.event.id)
    assert found.event.id.startswith("sha256:") is (event_id is None)


def test_of_equal_keys_the_last_wins() -> None:
    """An object that says a thing twice means the last."""
    found = identified(b'{"id":"a","type":"x","id":"b","type":"y"}')

    assert (found.event.id, found.event.type) == ("b", "y")


def test_a_byte_order_mark_costs_neither_id_nor_type() -> None:
    """No sender should write one, and some libraries do."""
    found = identified(b'\xef\xbb\xbf{"id":"evt_1","type":"message.new"}')

    assert (found.event.id, found.event.type) == ("evt_1", "message.new")


def test_of_equal_keys_the_last_wins_beside_half_an_emoji() -> None:
    """The lenient reader agrees with the strict one on what a repeated key means."""
    found = identified(b'{"id":"a","type":"x","id":"b","type":"y","z":"\\ud83d"}')

    assert (found.event.id, found.event.type) == ("b", "y")


@pytest.mark.parametrize(
    ("pack", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate")]
)
def test_compressed_bodies_are_looked_into_and_kept(pack: object, encoding: str) -> None:
    """Id and type of a compressed body are found; what is stored is what came."""
    assert callable(pack)
    body = pack(body_with())

    found = identified(body, {"content-encoding": encoding, "content-type": "application/json"})

    assert (found.event.id, found.event.type) == ("evt_1", "message.new")
    assert found.event.data == body
    assert found.event.content_encoding == encoding
    assert found.event.content_type == "application/json"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzipped(body_with() + b" " * 64_000_000), "gzip"),
        (gzipped(body_with())[:-10], "gzip"),
        (b"not gzip", "gzip"),
        (b"\x8b\x02\x80{}\x03", "br"),
    ],
    ids=["bomb", "cut", "other", "unknown"],
)
def test_bodies_that_cannot_be_unpacked_are_unidentified(body: bytes, encoding: str) -> None:
    """Bombs, cut bodies and other encodings are stored unread."""
    found = identified(body, {"content-encoding": encoding})

    assert found.event.type == "unidentified"
    assert found.event.data == body
    assert found.event.id == digest_id(body)


@pytest.mark.parametrize("body", [body_with(), gzipped(body_with())], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", [None, "gzip", "deflate", "br", "identity", "\udcff"])
def test_a_header_that_is_not_signed_changes_no_identity(body: bytes, encoding: str | None) -> None:
    """Whoever repeats a delivery with another encoding in its head repeats the same event."""
    headers = {} if encoding is None else {"content-encoding": encoding}

    found = identified(body, headers)

    assert (found.event.id, found.event.type) == ("evt_1", "message.new")


@pytest.mark.parametrize(
    "time",
    [
        "2026-10-12T09:14:07Z",
        "2026-10-12t09:14:07z",
        "2026-10-12T09:14:07.512Z",
        "2026-10-12T09:14:07.123456789+05:30",
        "2024-02-29T23:59:59-11:00",
    ],
)
def test_valid_times_are_kept(time: str) -> None:
    """The sender's time is kept as written where it is RFC 3339."""
    assert identified(body_with(created_at=time)).event.time == time


@pytest.mark.parametrize(
    "time",
    [
        None,
        1791796448,
        "",
        "yesterday",
        "2026-10-12",
        "2026-10-12T09:14:07",
        "2026-10-12 09:14:07Z",
        "2026-13-12T09:14:07Z",
        "2025-02-29T09:14:07Z",
        "2026-10-12T25:14:07Z",
        "2026-10-12T09:14:07+99:99",
        "2026-10-12T09:14:07Z\n",
        "\uff12026-10-12T09:14:07Z",
    ],
)
def test_other_times_are_left_out(time: object) -> None:
    """What is no RFC 3339 time is not passed on as one."""
    assert identified(body_with(created_at=time)).event.time is None


def test_only_allowed_headers_are_kept() -> None:
    """Content, delivery ids and user agent are kept; credentials and signatures never."""
    found = identified(
        body_with(),
        {
            "Content-Type": "application/json",
            "User-Agent": "Sender/1",
            "X-Request-Id": "r1",
            "Idempotency-Key": "k1",
            "Content-Language": "fr",
            "Authorization": "Bearer t",
            "Cookie": "c",
            "X-Api-Key": "k",
            "Proxy-Authorization": "p",
            "X-Forwarded-For": "192.0.2.1",
        },
    )

    assert found.event.headers == {
        "content-type": "application/json",
        "user-agent": "Sender/1",
        "x-request-id": "r1",
        "idempotency-key": "k1",
        "content-language": "fr",
    }


def test_header_bytes_that_are_no_text_are_replaced() -> None:
    """Odd bytes in a header become readable text and do not stop the event."""
    found = identified(body_with(), {"user-agent": "a\udcffb", "content-type": "\udcfe"})

    assert found.event.headers == {"user-agent": "a\ufffdb", "content-type": "\ufffd"}
    assert found.event.content_type == "\ufffd"


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", None),
        ("a=1&b=2", "a=1&b=2"),
        ("token=abc&a=1", "token=redacted&a=1"),
        ("Api_Key=abc", "Api_Key=redacted"),
        ("x-secret=abc&password=d", "x-secret=redacted&password=redacted"),
        ("%74oken=abc", "%74oken=redacted"),
        ("hub.auth=abc", "hub.auth=redacted"),
        ("code=abc&encode=1&author=x", "code=redacted&encode=1&author=x"),
        ("key=abc&monkey=1", "key=redacted&monkey=1"),
        ("sig=a=b", "sig=redacted"),
        ("token", "token"),
        ("a=\udcff", "a=\ufffd"),
    ],
)
def test_credentials_in_a_query_are_redacted(query: str, kept: str | None) -> None:
    """The query string is kept, the values of what looks like a credential are not."""
    assert identified(body_with(), query=query).event.query == kept


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", True),
        (f"ff-{'a' * 32}-{'b' * 16}-01", False),
        (f"00-{'0' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'0' * 16}-01", False),
        (f"00-{'A' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'b' * 16}-01\n", False),
        ("x", False),
    ],
)
def test_valid_trace_context_is_kept(sent: str, *, kept: bool) -> None:
    """A W3C trace parent is passed on if it is valid."""
    expected = sent if kept else None

    assert identified(body_with(), {"traceparent": sent}).event.traceparent == expected


@pytest.mark.parametrize("sent", [None, 17, "", "acc\ud83d", ["acc_1"]])
def test_what_is_no_account_is_left_out(sent: object) -> None:
    """An account that cannot be written is none."""
    assert identified(body_with(account_id=sent)).event.account is None


def test_an_account_stays_in_one_partition() -> None:
    """Events are spread by account, and by id where they have none."""
    endpoint = make_endpoint(partitions=8)

    same = {identified(body_with(id=f"evt_{n}"), endpoint=endpoint).tag for n in range(20)}
    spread = {
        identified(body_with(id=f"evt_{n}", account_id=None), endpoint=endpoint).tag
        for n in range(100)
    }

    assert len(same) == 1
    assert spread == {f"unipile#{n}" for n in range(8)}
