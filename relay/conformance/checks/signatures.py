"""Who may be believed: secrets, signatures and what was changed on the way."""

from relay.conformance.check import Check
from relay.conformance.event import Event, compact, other_secret
from relay.conformance.probe import Probe
from relay.conformance.verdict import NotObservable
from relay.endpoint import Secret

LONG_HEADER = 7000


async def _plain(probe: Probe) -> None:
    event = probe.event()
    probe.must_accept("a good delivery", await probe.deliver(event), event)


async def _wrong_secret(probe: Probe) -> None:
    for _ in range(2):
        event = probe.event()
        signature = probe.target.signer.sign(event.body, by=other_secret())
        answer = await probe.deliver(event, signature=signature)
        probe.must_refuse("a delivery signed with another secret", answer, event)


async def _empty_secret(probe: Probe) -> None:
    event = probe.event()
    signature = probe.target.signer.sign(event.body, by=Secret("", "empty"))
    answer = await probe.deliver(event, signature=signature)
    probe.must_refuse("a delivery signed with an empty secret", answer, event)


async def _no_signature(probe: Probe) -> None:
    event = probe.event()
    answer = await probe.deliver(event, signature="")
    probe.must_refuse("a delivery without a signature", answer, event)


async def _tampered_body(probe: Probe) -> None:
    event = probe.event()
    signature = probe.target.signer.sign(event.body)
    probe.must_accept("a good delivery", await probe.deliver(event, signature=signature), event)
    for at in (len(event.body) // 3, len(event.body) - 3):
        changed = event.with_body(_with_bit_flipped(event.body, at))
        answer = await probe.deliver(changed, signature=signature)
        probe.must_refuse("the same delivery with one bit of its body changed", answer)


async def _reformatted_body(probe: Probe) -> None:
    event = probe.event()
    signature = probe.target.signer.sign(event.body)
    spaced = event.with_body(event.body.replace(b'":', b'": ', 1))
    answer = await probe.deliver(spaced, signature=signature)
    probe.must_refuse("a delivery with one space put into its JSON", answer, event)


async def _truncated_signature(probe: Probe) -> None:
    for length in (62, 32, 2):
        event = probe.event()
        signature = probe.target.signer.sign(event.body)
        cut = signature[: len(signature) - 64 + length]
        answer = await probe.deliver(event, signature=cut)
        probe.must_refuse(f"the first {length} digits of a good signature", answer, event)


async def _malformed_signature(probe: Probe) -> None:
    for sent, signature in _malformed(probe):
        event = probe.event()
        answer = await probe.deliver(event, signature=signature)
        probe.must_refuse(f"a signature header that is {sent}", answer, event)
    event = probe.event()
    good = probe.target.signer.sign(event.body)
    repeated = [(probe.target.signer.header, good)]
    answer = await probe.deliver(event, repeated, signature="t=1,v0=00")
    probe.must_cope("two signature headers, the first of them bad", answer)


def _malformed(probe: Probe) -> list[tuple[str, str | bytes]]:
    good = probe.target.signer.sign(b"another body")
    time, _, signature = good.partition(",")
    return [
        ("one space", " "),
        ("a comma", ","),
        ("a word", "signature"),
        ("only a time", time),
        ("only a signature", signature),
        ("without a signature's digits", f"{time},{signature.partition('=')[0]}="),
        ("with a time that is a word", f"t=now,{signature}"),
        ("with a time in other digits", f"t=١٧٩١٧٩٦٤٤٨,{signature}"),
        ("with a time of sixty digits", f"t={'9' * 60},{signature}"),
        ("with a negative time", f"t=-1,{signature}"),
        ("with an odd number of digits", good[:-1]),
        ("with digits that are none", f"{good[:-4]}zzzz"),
        ("not ASCII", b"\xff\xfe" + good.encode()),
        ("very long", f"{time},{'0' * LONG_HEADER}"),
        ("made of hundreds of parts", ",".join([signature[:6]] * 500)),
    ]


async def _two_signatures(probe: Probe) -> None:
    secret, other = probe.target.signer.secret, other_secret()
    for sent, first, second in (
        ("a wrong signature before the right one", other, secret),
        ("the right signature before a wrong one", secret, other),
    ):
        event = probe.event()
        signature = probe.target.signer.sign_twice(event.body, first, second)
        probe.must_accept(sent, await probe.deliver(event, signature=signature), event)
    event = probe.event()
    signature = probe.target.signer.sign_twice(event.body, other, other_secret())
    answer = await probe.deliver(event, signature=signature)
    probe.must_refuse("two wrong signatures in one header", answer, event)


async def _second_secret(probe: Probe) -> None:
    second = probe.target.signer.second
    if second is None:
        raise NotObservable("say --second-secret-env or --second-secret-file to have it judged")
    event = probe.event()
    signature = probe.target.signer.sign(event.body, by=second)
    answer = await probe.deliver(event, signature=signature)
    probe.must_accept("a delivery signed with the second secret", answer, event)
    event = probe.event()
    probe.must_accept("a delivery signed with the first", await probe.deliver(event), event)


async def _foreign_body(probe: Probe) -> None:
    one, other = probe.events(2)
    signature = probe.target.signer.sign(one.body)
    probe.must_accept("a good delivery", await probe.deliver(one, signature=signature), one)
    swapped = Event(other.mark, compact({"mark": other.mark}))
    answer = await probe.deliver(swapped, signature=signature)
    probe.must_refuse("another body under a signature seen before", answer, other)


def _with_bit_flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


CHECKS = (
    Check(
        "plain",
        "A good delivery is accepted.",
        "Without it nothing else says anything.",
        _plain,
    ),
    Check(
        "wrong-secret",
        "A delivery signed with another secret is refused.",
        "Whoever knows the URL could make events.",
        _wrong_secret,
    ),
    Check(
        "empty-secret",
        "A delivery signed with an empty secret is refused.",
        "A secret that was not configured must not be one that everybody knows.",
        _empty_secret,
    ),
    Check(
        "no-signature",
        "A delivery without a signature is refused.",
        "Whoever knows the URL could make events.",
        _no_signature,
    ),
    Check(
        "tampered-body",
        "A body of which one bit was changed is refused.",
        "What was signed is all that is proved.",
        _tampered_body,
    ),
    Check(
        "reformatted-body",
        "A body with other spaces in its JSON is refused.",
        "Who verifies a body that was parsed and written again verifies other bytes than came.",
        _reformatted_body,
    ),
    Check(
        "foreign-body",
        "Another body under a signature that was good before is refused.",
        "One signature that leaks would sign everything.",
        _foreign_body,
    ),
    Check(
        "truncated-signature",
        "A signature that lacks digits is refused.",
        "The fewer digits are compared, the sooner one is guessed.",
        _truncated_signature,
    ),
    Check(
        "malformed-signature",
        "A signature header that cannot be read is refused with 4xx.",
        "A 5xx has the sender try again for hours, and shows that the header was not foreseen.",
        _malformed_signature,
    ),
    Check(
        "two-signatures",
        "Of two signatures in one header one right one is enough, wherever it stands.",
        "Senders sign with both secrets while one is being replaced.",
        _two_signatures,
    ),
    Check(
        "second-secret",
        "Both secrets are accepted while one is being replaced.",
        "Otherwise every rotation is an outage.",
        _second_secret,
    ),
)
