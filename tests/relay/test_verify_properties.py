"""What holds for the verification of anything."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from relay.contract.errors import SignatureRefused
from relay.delivery import VerifiedDelivery
from relay.verify import sign_for, verify
from tests.making import NOW, make_delivery, make_endpoint
from tests.signing import SECRET, signature, signature_header

HEADER = "unipile-signature"
SECRETS = st.text(min_size=1, max_size=40)
BODIES = st.binary(max_size=300)
TIMES = st.integers(min_value=0, max_value=10**12 - 1)
# What a header may hold after the server has decoded it, odd bytes as surrogates included.
HEADER_TEXT = st.text(alphabet=st.characters(max_codepoint=0x2FFFF), max_size=80)
LIKE_A_HEADER = st.lists(
    st.tuples(st.sampled_from(["t", "v0", "v1", "", " t"]), st.sampled_from(["=", "", "=="]))
    .map("".join)
    .flatmap(
        lambda start: (HEADER_TEXT | st.sampled_from(["1", "ab", "\uff11"])).map(start.__add__)
    ),
    max_size=12,
).map(",".join)


def refused(body: bytes, headers: dict[str, str], **changes: Any) -> str | None:
    """Give the reason of a refusal, or none if it was accepted; let everything else escape."""
    try:
        assert isinstance(verify(make_delivery(body, headers, **changes)), VerifiedDelivery)
    except SignatureRefused as refusal:
        return refusal.reason
    return None


def flipped(data: bytes, bit: int) -> bytes:
    """Change one bit."""
    place, number = divmod(bit % (8 * len(data)), 8)
    return data[:place] + bytes([data[place] ^ (1 << number)]) + data[place + 1 :]


@given(SECRETS, BODIES, TIMES)
def test_what_sign_makes_verify_accepts(secret: str, body: bytes, timestamp: int) -> None:
    """A body signed at any time with any secret is accepted at that time, and as a sender signs."""
    endpoint = make_endpoint(secret)
    headers = sign_for(endpoint, body, timestamp)

    assert headers == {HEADER: signature_header(body, timestamp, secret)}
    assert refused(body, headers, endpoint=endpoint, received_at_ms=1000 * timestamp) is None


@given(st.binary(min_size=1, max_size=300), st.integers(min_value=0))
def test_a_changed_bit_of_the_body_is_refused(body: bytes, bit: int) -> None:
    """No other body goes with a signature."""
    headers = {HEADER: signature_header(body, NOW)}

    assert refused(flipped(body, bit), headers) == "signature_mismatch"


@given(BODIES, st.integers(min_value=0))
def test_a_changed_bit_of_the_signature_is_refused(body: bytes, bit: int) -> None:
    """No other signature goes with a body."""
    wrong = flipped(bytes.fromhex(signature(body, NOW)), bit).hex()

    assert refused(body, {HEADER: f"t={NOW},v0={wrong}"}) == "signature_mismatch"


@given(BODIES, st.integers(min_value=0))
def test_a_changed_bit_of_the_timestamp_is_refused(body: bytes, bit: int) -> None:
    """No other timestamp goes with a signature, even one that is no number any more."""
    wrong = flipped(str(NOW).encode(), bit).decode("latin-1")
    headers = {HEADER: f"t={wrong},v0={signature(body, NOW)}"}

    assert refused(body, headers) in {"signature_mismatch", "signature_malformed"}


@given(BODIES, st.integers(min_value=-(10**6), max_value=10**6))
def test_another_timestamp_is_refused(body: bytes, seconds: int) -> None:
    """Moving the time of an old signature does not make it young again."""
    headers = {HEADER: f"t={NOW + seconds},v0={signature(body, NOW)}"}
    reason = refused(body, headers, received_at_ms=1000 * (NOW + seconds))

    assert reason == (None if seconds == 0 else "signature_mismatch")


@given(BODIES, SECRETS.filter(lambda secret: secret != SECRET))
def test_another_secret_is_refused(body: bytes, secret: str) -> None:
    """Who does not know the secret cannot sign."""
    headers = {HEADER: signature_header(body, NOW, secret)}

    assert refused(body, headers) == "signature_mismatch"


@given(HEADER_TEXT | LIKE_A_HEADER, BODIES, st.integers(min_value=0, max_value=10**15))
@example("t=1,v0=" + "ab," * 4000, b"", 0)
@example("\ud83d", b"", 0)
@example("t=\udcff,v0=\udcff", b"", 0)
def test_anything_is_refused_with_a_reason(header: str, body: bytes, received_at_ms: int) -> None:
    """Arbitrary headers and bytes raise nothing but `SignatureRefused`."""
    reason = refused(body, {HEADER: header}, received_at_ms=received_at_ms)

    assert reason in {"signature_malformed", "signature_mismatch"}


@given(st.dictionaries(HEADER_TEXT, HEADER_TEXT, max_size=4), BODIES)
def test_any_headers_at_all_are_refused_with_a_reason(headers: dict[str, str], body: bytes) -> None:
    """Nor do headers of any other name prove anything."""
    assert refused(body, headers) == "signature_missing"
