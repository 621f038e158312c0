"""How a sender proves that a delivery is its own, as data.

Nearly every sender signs with the seven fields of `Signature`; what does not fit into them is a
family with fields of its own. Nothing here verifies: ``relay.verify`` has a file for each family.

Source: RFC 2104, HMAC; https://github.com/standard-webhooks/standard-webhooks; docs/adr/0030.
"""

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from relay.contract.event import Assurance
from relay.coverage import check_header, check_places, check_time, check_token
from relay.proof import BodyProof, CertifiedProof, Proof
from relay.template import Template, parse_template

Hmac = Literal["hmac-sha256", "hmac-sha1", "hmac-sha512"]
Asymmetric = Literal["ed25519", "ecdsa-p256", "rsa-sha256"]
Encoding = Literal["hex", "base64", "base64url"]
Unit = Literal["seconds", "milliseconds", "iso8601"]
KeyForm = Literal["text", "base64", "hex", "pem"]

# A day, as an endpoint may say itself.
MAX_TOLERANCE_SECONDS = 86_400
# What is not listed in a table of these is a misspelling.
_STRICT: Any = {"extra": "forbid"}
_TIMESTAMP = re.compile(r"(field|header|body)\.(.+)")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Split:
    """How the text of a signature header is cut into keys and values.

    Args:
        signature: Key of the signatures; there may be several.
        timestamp: Key of the timestamp, where it stands in the same header.
        items: What stands between two elements; empty where there is one only. A blank after the
            sign is written as the sender does, and need not come.
        pairs: What stands between key and value.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    signature: str
    timestamp: str | None = None
    items: str = ""
    pairs: str = "="

    def __post_init__(self) -> None:
        if not self.pairs:
            raise ValueError("pairs is what stands between key and value, and not empty")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Timestamp:
    """When the sender says it signed.

    Args:
        source: ``field.<key>`` of the split header, ``header.<name>``, or ``body.<path>``.
        unit: How it is written.
        tolerance_seconds: How far it may be from now, both ways, unless an endpoint says
            otherwise.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    source: str
    unit: Unit = "seconds"
    tolerance_seconds: int = 300

    def __post_init__(self) -> None:
        if not _TIMESTAMP.fullmatch(self.source):
            raise ValueError("source is field.<key>, header.<name> or body.<path>")
        if not 1 <= self.tolerance_seconds <= MAX_TOLERANCE_SECONDS:
            raise ValueError(f"tolerance_seconds is 1 to {MAX_TOLERANCE_SECONDS}")

    @property
    def place(self) -> tuple[str, str]:
        """Where it stands, and under which name."""
        where, _, name = self.source.partition(".")
        return where, name


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Key:
    """How a secret's text becomes a key.

    Args:
        form: ``text`` takes its UTF-8 bytes; ``base64``, ``hex`` and ``pem`` are decoded.
        prefix: What stands before that and is no part of it, such as ``whsec_``.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    form: KeyForm = "text"
    prefix: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Signature(Proof):
    """A signature in a header, over a text that a template describes.

    Args:
        header: Its name in lower case; several where each key has one of its own.
        split: How that header is cut; without it all of it is the signature.
        encoding: How the signature is written.
        algorithm: With what it is made.
        signed: Over what: literal text with ``{body}``, ``{timestamp}``, ``{url}``,
            ``{decoded-url}``, ``{method}`` and ``{header.<name>}``.
        timestamp: When it was made, if the sender says so.
        key: How the secret becomes a key.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    header: str | tuple[str, ...]
    split: Split | None = None
    encoding: Encoding = "hex"
    algorithm: Hmac | Asymmetric = "hmac-sha256"
    signed: str = "{body}"
    timestamp: Timestamp | None = None
    key: Key = Key()
    family: Literal["signature"] = "signature"

    def __post_init__(self) -> None:
        if not self.headers:
            raise ValueError("header names none that could hold the signature")
        for name in self.headers:
            check_header(name)
        places = self.template.places
        check_places(places)
        if self.timestamp is None:
            if "timestamp" in places:
                raise ValueError("signed has {timestamp}, so timestamp must say where that stands")
            return
        where, field = self.timestamp.place
        if where == "field" and self.split is None:
            raise ValueError("the timestamp is a field of the header, so split must say how")
        if where == "field" and self.split is not None and self.split.timestamp != field:
            raise ValueError(
                f"the timestamp is field.{field}, so split.timestamp must be {field!r}"
            )
        check_time(where, field, places)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that may hold a signature."""
        return (self.header,) if isinstance(self.header, str) else self.header

    @property
    def template(self) -> Template:
        """What is signed, in pieces."""
        return parse_template(self.signed)

    @property
    def assurance(self) -> Assurance:
        """What a delivery has proved that passes."""
        return "body" if "body" in self.template.places else "sender"

    @property
    def signs_time(self) -> bool:
        """Whether a delivery says, signed, when it was made."""
        return self.timestamp is not None

    @property
    def signs_url(self) -> bool:
        """Whether the URL is signed, which only the operator knows as its sender does."""
        return not {"url", "decoded-url"}.isdisjoint(self.template.places)

    @property
    def signed_headers(self) -> frozenset[str]:
        """Names of the other headers that are signed."""
        return frozenset(
            place.removeprefix("header.")
            for place in self.template.places
            if place.startswith("header.")
        )

    @property
    def is_asymmetric(self) -> bool:
        """Whether the endpoint holds a public key and no secret."""
        return not self.algorithm.startswith("hmac-")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SignatureInBody(Proof):
    """A signature that stands in the body, over some values of it: the rest is not signed.

    Args:
        signature: Path of the signature within an item.
        signed: Over what: literal text with ``{body.<path>}``, of which missing ones are empty.
        items: Path of the array whose elements are each signed; the body itself by default.
        timestamp: When it was made, in the body.
        once: Path of a value that is new in each delivery.
        encoding: How the signature is written.
        algorithm: With what it is made.
        key: How the secret becomes a key.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    family: Literal["signature-in-body"]
    signature: str
    signed: str
    items: str = ""
    timestamp: Timestamp | None = None
    once: str = ""
    encoding: Encoding = "hex"
    algorithm: Hmac = "hmac-sha256"
    key: Key = Key()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TwilioSignature(Proof):
    """HMAC-SHA1 over the public URL and the sorted parameters of a form.

    Nothing stands between names and values, so forms that are cut elsewhere have one signature: the
    body is not proved. Where the query has ``bodySHA256``, that is the body's digest.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    family: Literal["twilio"]
    header: str = "x-twilio-signature"

    @property
    def signs_values(self) -> bool:
        """Whether only the sender can have written ids and types: where it cut a form, it can."""
        return True

    @property
    def signs_url(self) -> bool:
        """Whether the URL is signed: it is."""
        return True


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Jwt(BodyProof):
    """A signed token in a header that carries a digest of the body.

    Args:
        header: Its name in lower case.
        algorithm: The only one that is taken, whatever the token's head says.
        claim: Name of the claim with the SHA-256 of the body.
        encoding: How that is written.
        prefix: What may stand before the token.
        issuer: What ``iss`` must be, if anything.
        has_time: Whether the sender says in it when it was made, or until when it is good.
        tolerance_seconds: How old ``iat`` may be, and how late ``exp``.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    family: Literal["jwt"]
    header: str
    algorithm: Literal["HS256", "ES256"]
    claim: str
    encoding: Encoding = "hex"
    prefix: str = ""
    issuer: str | None = None
    has_time: bool = True
    tolerance_seconds: int = 300

    @property
    def signs_time(self) -> bool:
        """Whether a delivery says, signed, when it was made."""
        return self.has_time


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SnsSignature(CertifiedProof, BodyProof):
    """A signature in the body with a certificate of AWS; any topic of any customer has one."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    family: Literal["sns"]
    tolerance_seconds: int = 3600


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PayPalSignature(CertifiedProof):
    """A signature with a certificate of PayPal, over a checksum of the body.

    The checksum is a CRC-32, for which anyone can make another body; so the body is not proved.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    family: Literal["paypal"]
    tolerance_seconds: int = 300


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Token(Proof):
    """The secret itself, as it is: whoever reads one delivery can send any.

    Args:
        place: Where it stands: ``header.<name>``, ``body.<path>``, or ``query.<name>`` for
            requests of which nothing but the URL can be chosen.
        prefix: What stands before it, such as ``Bearer``.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    family: Literal["token"]
    place: str
    prefix: str = ""

    def __post_init__(self) -> None:
        check_token(self.place)

    @property
    def secret_parameter(self) -> str:
        """The parameter of the query that is the secret itself; empty where it stands elsewhere."""
        return self.place.removeprefix("query.") if self.place.startswith("query.") else ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Basic(Proof):
    """HTTP Basic credentials; the secret is ``user:password``."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    family: Literal["basic"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Unsigned(Proof):
    """Nothing is proved; only where an endpoint asks for it by the word ``none``."""

    __pydantic_config__: ClassVar[Any] = _STRICT

    family: Literal["none"]

    @property
    def assurance(self) -> Assurance:
        """What a delivery has proved that passes: nothing."""
        return "none"


Scheme = (
    Signature
    | SignatureInBody
    | TwilioSignature
    | Jwt
    | SnsSignature
    | PayPalSignature
    | Token
    | Basic
    | Unsigned
)
