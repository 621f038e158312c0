"""What is in a signed body: types that nobody knows, ids that do harm, text that is none."""

from relay.conformance.answer import Answer
from relay.conformance.check import Check
from relay.conformance.event import compact
from relay.conformance.probe import Probe

UNKNOWN_TYPE = "conformance.unknown"
INJECTED = "x-conformance-injected"
DEEP = 20_000


async def _unknown_types(probe: Probe) -> None:
    key = probe.target.maker.key("type")
    event = probe.event().changed(**{key: UNKNOWN_TYPE})
    probe.must_accept("an event of a type that nobody knows", await probe.deliver(event), event)
    for sent, value in (
        ("an event without a type", ...),
        ("an event whose type is a number", 7),
        ("an event whose type is null", None),
        ("an event whose type is empty", ""),
        ("an event whose type is a list", [UNKNOWN_TYPE]),
        ("an event whose type has 10,000 characters", "x" * 10_000),
        ("an event whose type has line ends in it", f"a\r\n{INJECTED}: 1\r\n\r\nb"),
        ("an event whose type is a path", "../../etc/passwd"),
    ):
        event = probe.event().changed(**{key: value})
        probe.must_cope(sent, _not_injected(probe, sent, await probe.deliver(event)))


async def _hostile_ids(probe: Probe) -> None:
    key = probe.target.maker.key("id")
    for sent, ending in (
        ("line ends and a header", f"\r\n{INJECTED}: 1\r\n\r\n"),
        ("a bare line end and a header", f"\n{INJECTED}: 1"),
        ("a NUL", "\0"),
        ("marks that turn the reading direction", "\u202e\u2066"),
        ("an escape sequence", "\x1b[2J"),
        ("half an emoji", "\ud83d"),
        ("letters of other scripts", "é–中"),
        ("10,000 characters", "x" * 10_000),
        ("spaces around it", "  "),
        ("a percent sign and a brace", "%s{0}${jndi:x}"),
    ):
        event = probe.event()
        event = event.changed(**{key: f"{event.mark}{ending}"})
        words = f"an event whose id has {sent}"
        probe.must_cope(words, _not_injected(probe, words, await probe.deliver(event)))


async def _odd_ids(probe: Probe) -> None:
    key = probe.target.maker.key("id")
    for sent, value in (
        ("without an id", ...),
        ("whose id is empty", ""),
        ("whose id is null", None),
        ("whose id is a number", 12345678901234567890),
        ("whose id is a fraction", 1.5),
        ("whose id is true", True),
        ("whose id is a list", ["a"]),
        ("whose id is an object", {"a": 1}),
    ):
        event = probe.event().changed(**{key: value})
        probe.must_cope(f"an event {sent}", await probe.deliver(event))


def _not_injected(probe: Probe, sent: str, answer: Answer) -> Answer:
    if answer.header(INJECTED) is not None:
        probe.wrong(sent, "a header of its own making in the answer", "none of its text")
    return answer


async def _not_json(probe: Probe) -> None:
    for sent, body in (
        ("text that is no JSON", b"hello"),
        ("half an object", b'{"id":'),
        ("a list", b'[{"id":"x"}]'),
        ("a number", b"7"),
        ("null", b"null"),
        ("a word in quotes", b'"id"'),
        ("nothing but spaces", b"   "),
        ("bytes of every kind", bytes(range(256))),
        ("20,000 open brackets", b"[" * DEEP),
        ("an object 20,000 deep", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        ("a number of 5,000 digits", b'{"id":' + b"9" * 5000 + b"}"),
        ("NaN", b'{"id":NaN}'),
    ):
        event = probe.event().with_body(body)
        probe.must_cope(f"{sent}, signed", await probe.deliver(event))


async def _bad_text(probe: Probe) -> None:
    for sent, text in (
        ("bytes that are no UTF-8", b"\xff\xfe"),
        ("a character that was cut", b"\xe2\x82"),
        ("half an emoji, escaped", b"\\ud83d"),
        ("half an emoji, in bytes", b"\xed\xa0\xbd"),
        ("an overlong slash", b"\xc0\xaf"),
        ("an escaped NUL", b"\\u0000"),
    ):
        event = probe.event()
        body = event.body.removesuffix(b"}") + b',"note":"' + text + b'"}'
        answer = await probe.deliver(event.with_body(body))
        probe.must_cope(f"a body with {sent}", answer)
    event = probe.event()
    answer = await probe.deliver(event.with_body(b"\xef\xbb\xbf" + event.body))
    probe.must_cope("a body that begins with a byte order mark", answer)


async def _repeated_keys(probe: Probe) -> None:
    key = probe.target.maker.key("id")
    event = probe.event()
    other = compact({key: "conformance-first"}).removesuffix(b"}")
    body = other + b"," + event.body.removeprefix(b"{")
    answer = await probe.deliver(event.with_body(body))
    probe.must_cope("an object that has its id twice", answer)


CHECKS = (
    Check(
        "unknown-types",
        "An event of a type that nobody knows is accepted; one of no usable type does no harm.",
        "Senders add types without a word, and may switch off a receiver that refuses.",
        _unknown_types,
    ),
    Check(
        "hostile-ids",
        "An id with line ends, NUL or thousands of characters neither breaks a header nor a 5xx.",
        "An id comes from outside, and lands in headers, logs and keys.",
        _hostile_ids,
    ),
    Check(
        "odd-ids",
        "An event without an id, or with one that is no text, is answered 2xx or 4xx.",
        "A 5xx has the sender try for hours what can never work.",
        _odd_ids,
    ),
    Check(
        "not-json",
        "A signed body that is no JSON object is answered 2xx or 4xx.",
        "A 5xx has the sender try for hours what can never work.",
        _not_json,
    ),
    Check(
        "bad-text",
        "A signed body with text that is no UTF-8 is answered 2xx or 4xx.",
        "Senders cut texts in the middle of a character.",
        _bad_text,
    ),
    Check(
        "repeated-keys",
        "An object that has a key twice is answered 2xx or 4xx.",
        "Parsers disagree about it, and some raise.",
        _repeated_keys,
    ),
)
