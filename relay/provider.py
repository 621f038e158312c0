"""A kind of sender, as data: how it proves itself, and where its events say what they are.

Source: docs/reference/providers.md; docs/adr/0030.
"""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from relay.scheme import Scheme, Signature
from relay.template import NUMBER, parse_template

# An equal body without an id is more likely a new event than a repeat, so it is remembered for a
# short time only.
WINDOW_WITHOUT_ID_SECONDS = 600

Texts = str | tuple[str, ...]
# Where a value of an event may stand.
SOURCES = ("body", "whole", "parent", "form", "header", "query", "other-key")
_STRICT: Any = {"extra": "forbid"}
_SPLIT = re.compile(r"(?:[^.\[\]]+(?:\[\])?\.)*[^.\[\]]*\[\]")


def texts(value: Texts) -> tuple[str, ...]:
    """Give one text or several as several."""
    return (value,) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Places:
    """Where the values of an event stand in a delivery.

    Each is a text with places in braces, or several of which the first that is whole counts:
    ``{body.<path>}``, ``{form.<field>}``, ``{header.<name>}``, ``{query.<name>}``, and
    ``{other-key.<key>,…}`` for the name of the outermost key that is none of these. Where a body
    is split, ``body`` is the element, ``parent`` the object with the array, ``whole`` all of it.
    A path goes through an array of one element, and into a text that is JSON. ``|number`` after a
    path takes whole numbers as well as text.

    Args:
        id: The event's id.
        type: Its type.
        account: Whose event it is.
        time: The sender's time.
        type_names: Types that are called otherwise here.
        split: Paths of the arrays whose elements are the events, such as ``[]`` or
            ``entry[].changes[]``.
        digested: The outermost key whose value is digested instead of the whole body, where the
            rest of that is new in each delivery.
        window_without_id_seconds: How long an event without an id is remembered; 0 where an equal
            body is another event.
        bodies_differ: Whether no two events have equal bodies, as where each has its own time in
            ms: then an equal one is a repeat, whenever that was signed.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    id: Texts = ()
    type: Texts = ()
    account: Texts = ()
    time: Texts = ()
    type_names: dict[str, str] = field(default_factory=dict)
    split: Texts = ()
    digested: str = ""
    window_without_id_seconds: int = WINDOW_WITHOUT_ID_SECONDS
    bodies_differ: bool = False

    def __post_init__(self) -> None:
        for text in (*texts(self.id), *texts(self.type), *texts(self.account), *texts(self.time)):
            for place in parse_template(text).places:
                _check_place(place)
        for path in texts(self.split):
            if not _SPLIT.fullmatch(path):
                raise ValueError(f"split: {path!r} ends with the array: [] or entry[].changes[]")


HandshakeKind = Literal[
    "echo",
    "verify-token",
    "answer-hmac",
    "reply",
    "secret-in-body",
    "secret-in-header",
    "json",
    "origin",
    "confirm",
]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Handshake:
    """A request with which a sender tries an endpoint; answered at once, and never an event.

    Args:
        kind: What is done; ``relay.handshake`` has a function for each.
        method: Of the request.
        place: Where the value stands that makes it a handshake, such as ``body.challenge``.
        value: What it must be; any text by default.
        answer: Where the value stands that is answered, if that is another; for ``reply`` the
            body that is answered, and for ``json`` the key.
        status: Of the answer.
        is_signed: Only after the delivery's own signature has been verified.
        secret: Where the secret stands that the handshake carries.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    kind: HandshakeKind
    method: Literal["POST", "GET", "OPTIONS"] = "POST"
    place: str
    value: str | None = None
    answer: str = ""
    status: int = 200
    is_signed: bool = False
    secret: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Provider:
    """What is known of a kind of sender.

    Args:
        name: The word by which a configuration chooses it.
        title: What people call it.
        scheme: How its deliveries are verified.
        event: Where its events say what they are.
        secret: What the endpoint's secret is called at the sender.
        headers: Further request headers worth keeping, in lower case.
        handshakes: What it sends before it sends events.
        proved_by: What it was tested with besides our own signing: ``vector``, or the names of
            independent implementations.
        sources: The public pages on which this rests.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    name: str
    title: str
    scheme: Annotated[Scheme, Field(discriminator="family")]
    event: Places = Places()
    secret: str = "the signing secret"  # noqa: S105 - what it is called
    headers: tuple[str, ...] = ()
    handshakes: tuple[Handshake, ...] = ()
    proved_by: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def needs_url(self) -> bool:
        """Whether an endpoint must say what its public URL is."""
        scheme = self.scheme
        return scheme.signs_url if isinstance(scheme, Signature) else scheme.family == "twilio"

    @property
    def needs_secret(self) -> bool:
        """Whether an endpoint must have a secret from the start."""
        carried = any(handshake.secret for handshake in self.handshakes)
        return self.scheme.family not in {"none", "sns", "paypal"} and not carried

    def key_of(self, value: str) -> str | None:
        """Give the outermost key of the body that alone is a value of an event, if one is.

        Args:
            value: ``id``, ``type``, ``account`` or ``time``.
        """
        given = texts(getattr(self.event, value))
        place = re.fullmatch(r"\{body\.([^.{}|]+)\}", given[0]) if len(given) == 1 else None
        return place[1] if place else None


def _check_place(place: str) -> None:
    source, dot, path = place.removesuffix(NUMBER).partition(".")
    if source not in SOURCES or (not path) or not dot:
        known = ", ".join(f"{name}.…" for name in SOURCES)
        raise ValueError(f"{{{place}}} is no place; one begins with {known}")
