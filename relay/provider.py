"""A kind of sender, as data: how it proves itself, and where its events say what they are.

Source: docs/reference/providers.md; docs/adr/0030.
"""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from relay.contract.keys import is_event_type
from relay.scheme import Jwt, Scheme, Signature, Token
from relay.template import NUMBER, parse_template

# An equal body without an id is more likely a new event than a repeat, so it is remembered for a
# short time only.
WINDOW_WITHOUT_ID_SECONDS = 600

# 31 days, as for an event with an id.
MAX_WINDOW_SECONDS = 2_678_400

# As in most senders' own samples; retries may carry the first attempt's time.
TOLERANCE_SECONDS = 300

Texts = str | tuple[str, ...]
# Where a value of an event may stand.
SOURCES = ("body", "content", "whole", "parent", "form", "header", "query", "other-key")
# What an operator may choose at a sender, by the setting in which the endpoint says it.
Choice = Literal["token", "renamed"]
_STRICT: Any = {"extra": "forbid"}
_SPLIT = re.compile(r"(?:[^.\[\]]+(?:\[\])?\.)*[^.\[\]]*\[\]")


def texts(value: Texts) -> tuple[str, ...]:
    """Give one text or several as several."""
    return (value,) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Places:
    """Where the values of an event stand in a delivery.

    Each is a text with places in braces, or several of which the first that is whole counts:
    ``{body.<path>}``, ``{form.<field>}``, ``{content.<path>}`` for a body that may be either,
    ``{header.<name>}``, ``{query.<name>}``, and ``{other-key.<key>,…}`` for the name of the
    outermost key that is none of these. Where a body is split, ``body`` is the element, ``parent``
    the object with the array, ``whole`` all of it.
    A path goes through an array of one element, and into a text that is JSON. ``|number`` after a
    path takes whole numbers as well as text.

    Args:
        id: The event's id; where it stands around the elements of a body, ``:<index>`` follows it.
        ids: Of events of a type, as it is sent, instead of `id`.
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
    ids: dict[str, Texts] = field(default_factory=dict)
    type: Texts = ()
    account: Texts = ()
    time: Texts = ()
    type_names: dict[str, str] = field(default_factory=dict)
    split: Texts = ()
    digested: str = ""
    window_without_id_seconds: int = WINDOW_WITHOUT_ID_SECONDS
    bodies_differ: bool = False

    def __post_init__(self) -> None:
        for place in self.places:
            _check_place(place)
        for path in texts(self.split):
            if not _SPLIT.fullmatch(path):
                raise ValueError(f"split: {path!r} ends with the array: [] or entry[].changes[]")
        if not 0 <= self.window_without_id_seconds <= MAX_WINDOW_SECONDS:
            raise ValueError(f"window_without_id_seconds is 0 to {MAX_WINDOW_SECONDS}")

    @property
    def id_texts(self) -> tuple[str, ...]:
        """All texts of which an id may be made, of whatever type the event is."""
        return (*texts(self.id), *(text for each in self.ids.values() for text in texts(each)))

    @property
    def places(self) -> tuple[str, ...]:
        """All places at which something is looked for."""
        given = (*self.id_texts, *texts(self.type), *texts(self.account), *texts(self.time))
        return tuple(place for text in given for place in parse_template(text).places)


AnswerKind = Literal["echo", "json", "headers", "empty"]
Guard = Literal["none", "signature", "token", "origin"]
# Where a value of a handshake may stand.
_HANDSHAKE_PLACE = re.compile(r"(body|header|query)\..+")
# What an answer may be made of.
CHALLENGE, HMAC_HEX, HMAC_BASE64 = "challenge", "hmac-hex", "hmac-base64"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Handshake:
    """A request with which a sender tries an endpoint; answered at once, and never an event.

    Places are ``body.<path>``, ``header.<name>`` or ``query.<name>``, without braces.

    Args:
        kind: What is answered: ``echo`` the challenge as plain text, ``json`` an object,
            ``headers`` no body and some headers, ``empty`` nothing.
        method: Of the request.
        place: Where the value stands that makes a request this handshake; every ``HEAD`` is one.
        value: What it must be; any text that is not empty by default.
        absent: Places of which none may hold anything: an event has it.
        challenge: Where the text stands that is answered or kept; `place` by default.
        answer: Names and values of the object or the headers. ``{challenge}`` stands for that
            text, ``{hmac-hex}`` and ``{hmac-base64}`` for its HMAC-SHA256 with the secret.
        status: Of the answer.
        guard: What must be right before it is answered: the delivery's own ``signature``, the
            endpoint's verify ``token``, or the challenge as an ``origin`` that it allows.
        token: Where the verify token stands.
        then: ``keep`` the challenge for an operator, as the endpoint's secret to be; or have the
            gateway ``confirm`` the request at its sender.
    """

    __pydantic_config__: ClassVar[Any] = _STRICT

    kind: AnswerKind
    method: Literal["POST", "GET", "HEAD", "OPTIONS"] = "POST"
    place: str = ""
    value: str | int | None = None
    absent: Texts = ()
    challenge: str = ""
    answer: dict[str, str | int] = field(default_factory=dict)
    status: int = 200
    guard: Guard = "none"
    token: str = ""
    then: Literal["nothing", "keep", "confirm"] = "nothing"

    def __post_init__(self) -> None:
        for place in (self.place, *texts(self.absent), self.challenge_place, self.token):
            if place and not _HANDSHAKE_PLACE.fullmatch(place):
                raise ValueError(f"{place!r} is no place: body.…, header.… or query.…")
        if bool(self.place) == (self.method == "HEAD"):
            raise ValueError("place says which request is a handshake, where not every HEAD is")
        if (self.guard == "token") != bool(self.token):
            raise ValueError('guard = "token" and the place of the token go together')
        if self.guard == "signature" and self.method != "POST":
            raise ValueError("only a POST is signed")
        if self.then == "confirm" and self.guard != "signature":
            raise ValueError('what is confirmed must be signed: guard = "signature"')
        if unknown := self._made_of - {CHALLENGE, HMAC_HEX, HMAC_BASE64}:
            raise ValueError(f"answer knows no {{{min(unknown)}}}")

    @property
    def challenge_place(self) -> str:
        """Where the text stands that is answered or kept."""
        return self.challenge or self.place

    @property
    def is_keyed(self) -> bool:
        """Whether the answer is made with the secret, of a text that the caller chose."""
        return not {HMAC_HEX, HMAC_BASE64}.isdisjoint(self._made_of)

    @property
    def has_challenge(self) -> bool:
        """Whether the text at `challenge_place` is answered or kept."""
        is_meant = self.kind == "echo" or self.then == "keep" or self.guard == "origin"
        return is_meant or bool(self._made_of)

    @property
    def is_in_head(self) -> bool:
        """Whether it is judged before the body is read."""
        return self.guard != "signature" and not self.place.startswith("body.")

    @property
    def _made_of(self) -> set[str]:
        made = (parse_template(value) for value in self.answer.values() if isinstance(value, str))
        return {place for each in made for place in each.places}


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
        chosen: What whoever makes the webhook chooses there: where the secret stands (``token``),
            and what fields are called (``renamed``).
        types_as: Other names for its types, by the word with which an endpoint asks for them.
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
    chosen: tuple[Choice, ...] = ()
    types_as: dict[str, dict[str, str]] = field(default_factory=dict)
    proved_by: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if "token" in self.chosen and not isinstance(self.scheme, Token):
            raise ValueError("only a token stands where somebody chooses")
        for word, names in self.types_as.items():
            if unusable := [name for name in names.values() if not is_event_type(name)]:
                raise ValueError(f"types_as.{word}: {unusable[0]!r} is no type")
        for handshake in self.handshakes:
            # Where the body alone is signed, a body that such an answer fits is refused. Where more
            # is, an answer could be the signature of an empty body and what stands beside it.
            signs_body_alone = isinstance(self.scheme, Signature) and self.scheme.signed == "{body}"
            if handshake.is_keyed and handshake.guard != "signature" and not signs_body_alone:
                raise ValueError(
                    "a handshake that is answered with the secret's HMAC would sign what anyone "
                    'asks for: guard = "signature"'
                )

    @property
    def needs_url(self) -> bool:
        """Whether an endpoint must say what its public URL is."""
        return self.scheme.signs_url

    @property
    def needs_secret(self) -> bool:
        """Whether an endpoint must have a secret from the start."""
        return self.scheme.family not in {"none", "sns", "paypal"} and not self.brings_secret

    @property
    def tolerance_seconds(self) -> int:
        """How far a signed time may be from now, unless an endpoint says otherwise."""
        timestamp = getattr(self.scheme, "timestamp", None)
        if timestamp is not None:
            return int(timestamp.tolerance_seconds)
        return int(getattr(self.scheme, "tolerance_seconds", TOLERANCE_SECONDS))

    @property
    def has_public_key(self) -> bool:
        """Whether an endpoint's secret is the public key of a sender that has the private one."""
        scheme = self.scheme
        if isinstance(scheme, Jwt):
            return scheme.algorithm == "ES256"
        return isinstance(scheme, Signature) and scheme.is_asymmetric

    @property
    def needs_extra(self) -> bool:
        """Whether deliveries cannot be verified without the extra ``asymmetric``."""
        return self.has_public_key or self.scheme.has_certificate

    @property
    def brings_secret(self) -> bool:
        """Whether the sender sends the secret itself, when it tries the endpoint."""
        return any(handshake.then == "keep" for handshake in self.handshakes)

    @property
    def has_unsigned_body(self) -> bool:
        """Whether a handshake is told by its body alone, so that the head cannot refuse it."""
        return any(
            handshake.guard != "signature" and not handshake.is_in_head
            for handshake in self.handshakes
        )

    @property
    def takes_token(self) -> bool:
        """Whether it tries the endpoint with a verify token."""
        return any(handshake.guard == "token" for handshake in self.handshakes)

    @property
    def takes_origin(self) -> bool:
        """Whether it asks which origins may send."""
        return any(handshake.guard == "origin" for handshake in self.handshakes)

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
