"""Why a signature cannot be read: which part of it, and what it looks like instead."""

from relay.explain.certified import from_elsewhere, is_from_elsewhere
from relay.explain.clock import time_text, unit_of
from relay.explain.explanation import Finding
from relay.explain.head import Head, algorithm_of, is_signature, read_head, unlike
from relay.explain.missing import secret_for_signature
from relay.explain.trial import Trial
from relay.explain.words import counted, listed, shown_key
from relay.scheme import Basic, Jwt, Signature, SignatureInBody, Token, Unit
from relay.verify.age import reader_of
from relay.verify.family import MAX_CANDIDATES, MAX_HEADER_CHARACTERS
from relay.verify.jwt import read_token

_REMEDY = (
    "See that the endpoint's provider is the sender's, and that nothing on the way changes headers."
)
_UNITS: tuple[Unit, ...] = ("seconds", "milliseconds", "iso8601")
# From 2001 to 2286 a time in seconds has so many digits, and one in ms three more.
_DIGITS = {10: "seconds", 13: "milliseconds"}


def malformed(trial: Trial) -> Finding:
    """Explain a delivery whose signature cannot be read."""
    if is_from_elsewhere(trial):
        return from_elsewhere(trial)
    head = read_head(trial)
    length = sum(len(value) for _, value in head.found)
    if length > MAX_HEADER_CHARACTERS:
        return Finding(
            f"The signature's header has {length} characters; {MAX_HEADER_CHARACTERS} are read.",
            _REMEDY,
        )
    sent = secret_for_signature(trial) if is_signature(trial.scheme) else None
    return (
        sent
        or _in_family(trial, head)
        or Finding(f"The signature cannot be read: {_looked_at(trial)}.", _REMEDY)
    )


def _looked_at(trial: Trial) -> str:
    return f"it is no {algorithm_of(trial.scheme)} of {trial.endpoint.provider.title}"


def _in_family(trial: Trial, head: Head) -> Finding | None:
    scheme = trial.scheme
    if isinstance(scheme, Signature):
        return _signature(trial, scheme, head)
    if isinstance(scheme, Jwt):
        return _token(trial, scheme, head)
    if isinstance(scheme, Token):
        return _secret(scheme, head)
    if isinstance(scheme, Basic):
        return _credentials(head)
    if isinstance(scheme, SignatureInBody):
        return _in_body(trial)
    return _text(trial, head.texts[0]) if scheme.family == "twilio" and head.texts else None


def _signature(trial: Trial, scheme: Signature, head: Head) -> Finding | None:
    split = scheme.split
    if split is not None and not head.texts:
        keys = listed(map(shown_key, filter(None, head.keys))) or "none"
        return Finding(
            f"The header {head.found[0][0]} has no part {split.signature}{split.pairs}… with a "
            f"signature; its parts are: {keys}.",
            _REMEDY,
        )
    if not trial.claim.candidates and head.texts:
        readable = [text for text in head.texts if not unlike(scheme, text)]
        if not readable:
            return _text(trial, head.texts[0])
    return _time(trial, scheme, head)


def _text(trial: Trial, text: str) -> Finding:
    wrong = unlike(trial.scheme, text) or f"{counted(len(text), 'character')} came"
    return Finding(f"The signature cannot be read: {wrong}.", _REMEDY)


def _time(trial: Trial, scheme: Signature, head: Head) -> Finding | None:
    if scheme.timestamp is None:
        return None
    where, name = scheme.timestamp.place
    if where == "body":
        return _time_in_body(trial)
    place = f"the header {name}" if where == "header" else f"the part {name} of the header"
    if not head.timestamps:
        return Finding(
            f"There is no time: {place} did not come, which is signed with the rest.", _REMEDY
        )
    if len(head.timestamps) > 1:
        return Finding(
            f"There are {len(head.timestamps)} times in the header: it is open which was signed.",
            _REMEDY,
        )
    return _unreadable_time(head.timestamps[0], scheme.timestamp.unit, place)


def _unreadable_time(text: str, unit: Unit, place: str) -> Finding | None:
    if reader_of(unit)(text) is not None:
        return None
    is_number = text.isascii() and text.isdigit()
    likely = _DIGITS.get(len(text)) if is_number else None
    other = likely or next((each for each in _UNITS if reader_of(each)(text) is not None), None)
    looks = f": it is written in {other}" if other and other != unit else ""
    return Finding(
        f"The time in {place} cannot be read in {unit}{looks} "
        f"({counted(len(text), 'character')} came).",
        "See that the scheme's timestamp has the sender's unit.",
    )


def _time_in_body(trial: Trial) -> Finding | None:
    text, unit = time_text(trial), unit_of(trial)
    if reader_of(unit)(text) is not None:
        return None
    return Finding(
        f"The signature is right, but the body has no time in {unit} where the scheme says.",
        "See that the scheme's timestamp has the sender's place and unit.",
    )


def _in_body(trial: Trial) -> Finding:
    return _time_in_body(trial) or Finding(
        f"A signature in the body cannot be read, or there are more than {MAX_CANDIDATES} of them.",
        _REMEDY,
    )


def _token(trial: Trial, scheme: Jwt, head: Head) -> Finding:
    text = head.texts[0] if head.texts else ""
    parts = text.removeprefix(scheme.prefix).strip().count(".") + 1
    if parts != 3:
        return Finding(
            f"The header {scheme.header} holds no token: it has {counted(parts, 'part')} between "
            "its points, and a token has 3.",
            _REMEDY,
        )
    if not trial.claim.candidates:
        return _text(trial, text.rpartition(".")[2])
    algorithm = read_token(trial.claim.timestamp)[0].get("alg")
    said = shown_key(algorithm) if isinstance(algorithm, str) else "nothing"
    return Finding(
        f"The token says that it was made with {said}, and the scheme has {scheme.algorithm}.",
        _REMEDY,
    )


def _secret(scheme: Token, head: Head) -> Finding:
    if scheme.secret_parameter:
        return Finding(
            f"The URL has the parameter {scheme.secret_parameter} more than once, or not as the "
            "endpoint says.",
            f"Register it with {scheme.secret_parameter}= and the secret behind it, once.",
        )
    return Finding(
        f"The header {head.found[0][0]} does not begin with {scheme.prefix}."
        if head.found
        else "The secret cannot be read.",
        f"The sender must write {scheme.prefix} before the secret.",
    )


def _credentials(head: Head) -> Finding:
    word = head.texts[0].partition(" ")[0].lower() if head.texts else ""
    if word != "basic":
        instead = f", but {word.capitalize()}" if word in {"bearer", "digest"} else ""
        return Finding(
            f"The header authorization does not hold Basic credentials{instead}.",
            "Write user and password into the URL that is registered at the sender.",
        )
    return Finding("The credentials in the header authorization are no base64.", _REMEDY)
