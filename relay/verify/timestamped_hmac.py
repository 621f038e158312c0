"""The family of schemes that sign ``timestamp.body`` and put both into one header.

Header and body in, yes or no out. One malformed signature among several does not spoil a good
one.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook; several signatures after
one key, as senders with two active secrets write them:
https://hookdeck.com/docs/outpost/destinations/webhook
"""

import hmac
import re
from collections.abc import Sequence

from relay.contract.errors import SignatureRefused
from relay.delivery import Claim
from relay.endpoint import Secret, TimestampedHmac

# More candidates than any sender has secrets would only be a lever on our time.
MAX_CANDIDATES = 10
# ASCII digits only: int() would take other alphabets' digits, signs and underscores too.
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
# As nearly every delivery has it; what differs is read piece by piece.
_USUAL = re.compile(r"t=([0-9]{1,12}),([a-z0-9]+)=([0-9a-f]+)")


def parse(scheme: TimestampedHmac, header: str | None) -> Claim:
    """Read a signature header.

    A part without ``=`` belongs to the key before it; parts with other keys are passed over, so
    that a sender can add a new scheme beside the old one.

    Raises:
        SignatureRefused: ``signature_missing``, or ``signature_malformed`` where it has no
            timestamp or no signature that is hexadecimal.
    """
    if header is None:
        raise SignatureRefused("signature_missing")
    usual = _USUAL.fullmatch(header)
    if usual is not None and usual[2] == scheme.version and not len(usual[3]) % 2:
        return Claim(usual[1], (bytes.fromhex(usual[3]),))
    timestamps: list[str] = []
    candidates: list[bytes] = []
    key = ""
    for part in header.split(","):
        name, equals, value = part.partition("=")
        key, text = (name.strip(), value.strip()) if equals else (key, name.strip())
        if key == "t" and equals:
            timestamps.append(text)
        elif key == scheme.version and len(candidates) < MAX_CANDIDATES:
            candidates += _unhexed(text)
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]) or not candidates:
        raise SignatureRefused("signature_malformed")
    return Claim(timestamps[0], tuple(candidates))


def verify_signature(
    scheme: TimestampedHmac, claim: Claim, secrets: Sequence[Secret], body: bytes
) -> bool:
    """Tell whether one of the candidates was made with one of the secrets.

    Every comparison is in constant time and all of them are made, so the time taken says nothing
    about which secret or candidate came close.
    """
    matched = False
    for secret in secrets:
        expected = _digest(scheme, secret, claim.timestamp, body)
        for candidate in claim.candidates:
            matched |= hmac.compare_digest(expected, candidate)
    return matched


def sign(scheme: TimestampedHmac, secret: Secret, body: bytes, timestamp: int) -> str:
    """Write the header that a sender would send with a body.

    Args:
        scheme: The header's form.
        secret: The key.
        body: The bytes to be sent.
        timestamp: Unix seconds.
    """
    signature = _digest(scheme, secret, str(timestamp), body).hex()
    return f"t={timestamp},{scheme.version}={signature}"


def _digest(scheme: TimestampedHmac, secret: Secret, timestamp: str, body: bytes) -> bytes:
    mac = secret.keyed(scheme.digest)
    mac.update(b"%b.%b" % (timestamp.encode(), body))
    return mac.digest()


def _unhexed(text: str) -> list[bytes]:
    try:
        return [bytes.fromhex(text)] if text else []
    except ValueError:
        return []
