"""A preset in full, a row for each thing that a reader asks: a `Provider` in, pairs of text out."""

from collections.abc import Iterator

from relay.commands.providers.facts import (
    PROVES,
    UNPROVEN,
    VECTOR,
    handshake_text,
    has_signed_time,
    places_text,
    signature_text,
    signed_text,
)
from relay.identify import MIN_WINDOW_SECONDS
from relay.identify.places import finder_of
from relay.provider import Provider
from relay.scheme import Signature, SignatureInBody

STRICT = '`replay = "strict"`'

_CHOICES = {
    "token": "where the secret stands: the endpoint says it by `token`, if it is not there",
    "renamed": "what fields are called: the endpoint says it by `renamed`",
}

Row = tuple[str, str]


def rows_of(provider: Provider) -> list[Row]:
    """Give all that a preset says, what it says nothing of left out."""
    return [
        *_proof_rows(provider),
        *_event_rows(provider),
        *(("Chosen there", _CHOICES[choice]) for choice in provider.chosen),
        *(("Handshake", handshake_text(handshake)) for handshake in provider.handshakes),
        ("Headers kept", ", ".join(f"`{name}`" for name in provider.headers) or "the usual ones"),
        ("Tested with", proved_text(provider)),
        *(("Source", source) for source in provider.sources),
    ]


def proved_text(provider: Provider) -> str:
    """Say with what that is not ours a preset was tested."""
    by = ["a published signature" if name == VECTOR else f"`{name}`" for name in provider.proved_by]
    return ", ".join(by) or f"{UNPROVEN}: our own signing only"


def _proof_rows(provider: Provider) -> Iterator[Row]:
    scheme = provider.scheme
    yield "Proves", PROVES[scheme.assurance]
    yield "Secret", provider.secret
    yield "Signature", signature_text(scheme)
    yield "Signed", signed_text(scheme)
    yield "Time", _time_text(provider)
    if provider.needs_extra:
        yield "Needs", "the extra `asymmetric`: `pip install 'webhook-relay[asymmetric]'`"


def _time_text(provider: Provider) -> str:
    scheme = provider.scheme
    if not has_signed_time(scheme):
        return f"not signed; {_repeats_text(provider)}"
    timestamp = scheme.timestamp if isinstance(scheme, Signature | SignatureInBody) else None
    where = f", at `{timestamp.source}` in {_UNITS[timestamp.unit]}" if timestamp else ""
    return f"signed{where}; {provider.tolerance_seconds} seconds both ways"


def _repeats_text(provider: Provider) -> str:
    """Say what there is against one who sends a genuine body again, at any time."""
    places, is_signed = provider.event, finder_of(provider).id_is_signed
    if provider.scheme.assurance != "body":
        return "neither is the body"
    if places.id and is_signed:
        return "a repeat is known by its id, which is signed"
    if not places.window_without_id_seconds:
        return "a repeat is another event"
    if not places.id:
        return "a repeat is known by its body"
    return f"a repeat is known by id and body together, and by the body alone with {STRICT}"


_UNITS = {
    "seconds": "seconds",
    "milliseconds": "milliseconds",
    "iso8601": "the form of ISO 8601",
}


def _event_rows(provider: Provider) -> Iterator[Row]:
    places, finder = provider.event, finder_of(provider)
    if places.split:
        yield "Several events", f"the elements of {places_text(places.split)} are an event each"
    if places.id:
        yield "Event id", f"{places_text(places.id)}; {_signed_word(is_signed=finder.id_is_signed)}"
    for name, given in places.ids.items():
        word = _signed_word(is_signed=finder.id_is_signed)
        yield "Event id", f"of `{name}`: {places_text(given)}; {word}"
    yield "Without an id", _without_id(provider)
    yield "Event type", _type_text(provider)
    if places.account:
        word = _signed_word(is_signed=finder.account_is_signed)
        yield "Account", f"{places_text(places.account)}; {word}"
    if places.time:
        yield "Event time", places_text(places.time)
    for word, names in provider.types_as.items():
        renamed = ", ".join(f"`{name}` is `{new}`" for name, new in names.items())
        yield "Other types", f'with `types_as = "{word}"`: {renamed}'


def _type_text(provider: Provider) -> str:
    places = provider.event
    renamed = [f"`{name}` is `{new}`" for name, new in places.type_names.items()]
    names = f"; {', '.join(renamed)}" if renamed else ""
    is_signed = finder_of(provider).type_is_signed
    return f"{places_text(places.type)}{names}; {_signed_word(is_signed=is_signed)}"


def _without_id(provider: Provider) -> str:
    places = provider.event
    if not places.window_without_id_seconds:
        return "every delivery is another event, also one with an equal body"
    good_for = 2 * provider.tolerance_seconds
    window = max(places.window_without_id_seconds, MIN_WINDOW_SECONDS, good_for)
    what = f"deliveries of an equal `{places.digested}`" if places.digested else "equal bodies"
    is_timed = has_signed_time(provider.scheme) and not places.bodies_differ
    time = " with the same signed time" if is_timed else ""
    return f"{what}{time} count as one event, for {window} seconds"


def _signed_word(*, is_signed: bool) -> str:
    return "signed" if is_signed else "not signed"
