"""What the head of a request says of its signature, as it is written and cut."""

from dataclasses import dataclass

from relay.explain.trial import Trial
from relay.explain.words import algorithm_name, counted
from relay.scheme import Encoding, Jwt, Scheme, Signature, SignatureInBody, TwilioSignature
from relay.verify.header import decoded, pairs_of
from relay.verify.places import headers_of

_LENGTHS = {
    "hmac-sha256": 32,
    "hmac-sha1": 20,
    "hmac-sha512": 64,
    "ed25519": 64,
    "HS256": 32,
    "ES256": 64,
}
_ENCODINGS: tuple[Encoding, ...] = ("hex", "base64", "base64url")
_MADE_BY = {20: "HMAC-SHA1", 32: "HMAC-SHA256", 64: "HMAC-SHA512 or Ed25519"}


@dataclass(frozen=True, slots=True)
class Head:
    """What a head says, before anything is decoded.

    Args:
        found: The headers that may hold the signature, and came: names and values.
        keys: Of the parts into which the first of them is cut.
        texts: Of the signatures.
        timestamps: All that stand where the one should.
    """

    found: tuple[tuple[str, str], ...] = ()
    keys: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    timestamps: tuple[str, ...] = ()


def read_head(trial: Trial) -> Head:
    """Read what the head of a delivery says, also where it is refused."""
    scheme, headers = trial.scheme, trial.headers
    found = tuple((name, headers[name]) for name in headers_of(scheme) if name in headers)
    texts = tuple(value.strip() for _, value in found)
    if not isinstance(scheme, Signature):
        return Head(found=found, texts=texts)
    keys: tuple[str, ...] = ()
    timestamps: tuple[str, ...] = ()
    split = scheme.split
    if split is not None and found:
        pairs = pairs_of(split, found[0][1])
        keys = tuple(key for key, _ in pairs)
        texts = tuple(value for key, value in pairs if key == split.signature)
        timestamps = tuple(value for key, value in pairs if key == split.timestamp)
    where, name = scheme.timestamp.place if scheme.timestamp else ("", "")
    if where == "header" and name in headers:
        timestamps = (headers[name].strip(),)
    return Head(found=found, keys=keys, texts=texts, timestamps=timestamps)


def algorithm_of(scheme: Scheme) -> str:
    """Name the algorithm of a scheme, as people do."""
    algorithm = getattr(scheme, "algorithm", "")
    if algorithm:
        return algorithm_name(algorithm)
    families = {
        "twilio": "HMAC-SHA1",
        "sns": "RSA with a certificate",
        "paypal": "RSA with a certificate",
        "token": "the secret itself",
        "basic": "user and password",
    }
    return families.get(scheme.family, "no proof")


def expected_bytes(scheme: Scheme) -> int | None:
    """Say how long a signature of a scheme is; none where that differs from one to the next."""
    algorithm = getattr(scheme, "algorithm", "hmac-sha1" if scheme.family == "twilio" else "")
    return _LENGTHS.get(algorithm)


def encoding_of(scheme: Scheme) -> Encoding:
    """Say how a scheme's signature is written."""
    if isinstance(scheme, Signature | SignatureInBody):
        return scheme.encoding
    return "base64url" if isinstance(scheme, Jwt) else "base64"


def is_signature(scheme: Scheme) -> bool:
    """Say whether what the head holds is a signature, of which the length says something."""
    return isinstance(scheme, Signature | TwilioSignature | Jwt)


def unlike(scheme: Scheme, text: str) -> str:
    """Say how the text of a signature differs from one of a scheme; empty where it does not."""
    own, expected = encoding_of(scheme), expected_bytes(scheme)
    found = decoded(text, own)
    if expected is None:
        return "" if found else f"{counted(len(text), 'character')} came that are no {own}"
    if found is not None and len(found) == expected:
        return ""
    for other in _ENCODINGS:
        read = decoded(text, other)
        if other != own and read is not None and len(read) == expected:
            return f"it is written in {other}, and the scheme has {own}"
    if found is None:
        return (
            f"{counted(len(text), 'character')} came that are no whole {own}, and {expected} bytes "
            "are expected"
        )
    return _of_other_length(scheme, len(found), expected)


def _of_other_length(scheme: Scheme, came: int, expected: int) -> str:
    bytes_came = f"{counted(came, 'byte')} came, and {expected} are expected"
    maker = _MADE_BY.get(came)
    if maker is None:
        return bytes_came
    return f"{bytes_came}: so many are made by {maker}, and the scheme has {algorithm_of(scheme)}"
