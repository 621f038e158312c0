"""What a preset says, in words: a `Provider` in, texts for people out."""

from dataclasses import dataclass

from relay.identify.places import finder_of
from relay.provider import Handshake, Provider, Texts, texts
from relay.scheme import Jwt, Scheme, Signature, SignatureInBody, Token

UNPROVEN = "unproven"
VECTOR = "vector"

PROVES = {
    "body": "the sender, and the body as it was sent",
    "sender": "the sender, and not the body",
    "none": "nothing",
}
_ALGORITHMS = {
    "hmac-sha1": "HMAC-SHA1",
    "hmac-sha256": "HMAC-SHA256",
    "hmac-sha512": "HMAC-SHA512",
    "ed25519": "Ed25519",
    "ecdsa-p256": "ECDSA over P-256 with SHA-256",
    "rsa-sha256": "RSA with SHA-256",
}
_HANDSHAKES = {"keep": "brings the secret", "confirm": "confirmation"}
_GUARDS = {
    "none": "",
    "signature": ", signed like a delivery",
    "token": ", with the endpoint's `verify_token`",
    "origin": ", with one of the endpoint's `origins`",
}
_FAMILIES = {
    "twilio": "HMAC-SHA1 in base64, in `x-twilio-signature`",
    "sns": "RSA in the body, with a certificate of AWS that is fetched",
    "paypal": "RSA in `paypal-transmission-sig`, with a certificate of PayPal that is fetched",
    "basic": "none: HTTP Basic credentials",
    "none": "none",
}
_SIGNED = {
    "twilio": "the URL and the parameters of the form, sorted, with nothing between names and "
    "values, so that they can be cut elsewhere; with a JSON body, its digest in the URL",
    "sns": "`Message`, `MessageId`, `Subject`, `Timestamp`, `TopicArn` and `Type`",
    "paypal": "id and time of the transmission, the webhook's id, and a CRC-32 of the body, for "
    "which anyone can make another body",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A preset in a row.

    Args:
        name: The word by which a configuration chooses it.
        title: What people call the sender.
        proves: The ``assurance`` of its events.
        id_signed: Whether the event's id is within what is signed; none where it has no id.
        type_signed: Whether its type is.
        time_signed: Whether a delivery says, signed, when it was made.
        tolerance_seconds: How far that may be from now.
        handshakes: What it sends before it sends events, a word for each.
        needs: Settings, beside `provider`, without which it does not work.
        extra: Whether it needs the extra ``asymmetric``.
        proved_by: With what the preset was tested that is not ours.
    """

    name: str
    title: str
    proves: str
    id_signed: bool | None
    type_signed: bool
    time_signed: bool
    tolerance_seconds: int | None
    handshakes: tuple[str, ...]
    needs: tuple[str, ...]
    extra: bool
    proved_by: tuple[str, ...]


def facts_of(provider: Provider) -> Facts:
    """Say what a preset is."""
    finder, scheme = finder_of(provider), provider.scheme
    return Facts(
        name=provider.name,
        title=provider.title,
        proves=scheme.assurance,
        id_signed=finder.id_is_signed if provider.event.id_texts else None,
        type_signed=finder.type_is_signed,
        time_signed=has_signed_time(scheme),
        tolerance_seconds=provider.tolerance_seconds if has_signed_time(scheme) else None,
        handshakes=tuple(dict.fromkeys(map(_handshake_word, provider.handshakes))),
        needs=needs_of(provider),
        extra=provider.needs_extra,
        proved_by=provider.proved_by,
    )


def has_signed_time(scheme: Scheme) -> bool:
    """Tell whether a delivery says, signed, when it was made."""
    return scheme.signs_time or (
        isinstance(scheme, SignatureInBody) and scheme.timestamp is not None
    )


def needs_of(provider: Provider) -> tuple[str, ...]:
    """Name the settings of an endpoint that this kind of sender cannot do without."""
    needs = {
        "secrets": provider.needs_secret or provider.brings_secret,
        "public_url": provider.needs_url,
        "topic_arns": provider.scheme.family == "sns",
        "webhook_id": provider.scheme.family == "paypal",
        "verify_token": provider.takes_token,
        "origins": provider.takes_origin,
    }
    return tuple(name for name, is_needed in needs.items() if is_needed)


def signature_text(scheme: Scheme) -> str:
    """Say what the signature is, and where it stands."""
    if isinstance(scheme, Signature):
        headers = " or ".join(f"`{name}`" for name in scheme.headers)
        key = f" after `{scheme.split.signature}{scheme.split.pairs}`" if scheme.split else ""
        return f"{_ALGORITHMS[scheme.algorithm]} in {scheme.encoding}, in {headers}{key}"
    if isinstance(scheme, SignatureInBody):
        where = f"`{f'{scheme.items}.{scheme.signature}'.removeprefix('.')}`"
        return f"{_ALGORITHMS[scheme.algorithm]} in {scheme.encoding}, in the body at {where}"
    if isinstance(scheme, Jwt):
        return f"a JWT with {scheme.algorithm}, in `{scheme.header}`"
    if isinstance(scheme, Token):
        prefix = f" after `{scheme.prefix}`" if scheme.prefix else ""
        return f"none: the secret itself, at `{scheme.place}`{prefix}"
    return _FAMILIES[scheme.family]


def signed_text(scheme: Scheme) -> str:
    """Say over what the signature is made."""
    if isinstance(scheme, Signature | SignatureInBody):
        each = (
            ", each item for itself" if isinstance(scheme, SignatureInBody) and scheme.items else ""
        )
        return f"`{scheme.signed}`{each}"
    if isinstance(scheme, Jwt):
        return f"the claims of the token, of which `{scheme.claim}` is the body's SHA-256"
    return _SIGNED.get(scheme.family, "nothing")


def places_text(given: Texts) -> str:
    """Write down where a value of an event stands; the first that is whole counts."""
    return ", else ".join(f"`{text}`" for text in texts(given))


def handshake_text(handshake: Handshake) -> str:
    """Say which request a handshake is, and what is answered."""
    value = "" if handshake.value is None else f" = `{handshake.value}`"
    place = f" with `{handshake.place}`{value}" if handshake.place else ""
    asked = f"`{handshake.method}`{place}{_GUARDS[handshake.guard]}"
    return f"{asked}: {_answer_text(handshake)}{_THEN[handshake.then]}"


_THEN = {
    "nothing": "",
    "keep": "; the secret that it brings is kept until an operator accepts it",
    "confirm": "; the gateway confirms the subscription",
}


def _answer_text(handshake: Handshake) -> str:
    names = ", ".join(f"`{name}`" for name in handshake.answer)
    answers = {
        "echo": f"answered {handshake.status} with `{handshake.challenge_place}` as plain text",
        "json": f"answered {handshake.status} with a JSON object of {names}",
        "headers": f"answered {handshake.status} with the headers {names}",
        "empty": f"answered {handshake.status} without a body",
    }
    return answers[handshake.kind]


def _handshake_word(handshake: Handshake) -> str:
    usual = "challenge" if handshake.place else "probe"
    word = {"token": "verify token", "origin": "origin"}.get(handshake.guard, usual)
    return _HANDSHAKES.get(handshake.then, word)
