"""What is signed: a scheme's template and a delivery in, the signed bytes out."""

from collections.abc import Callable

from relay.delivery import BLANKS, Delivery
from relay.template import Template

Piece = Callable[[Delivery], bytes]

# As HubSpot lists them: what stands so in a URL is decoded before it is signed.
# Source: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
_DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'",
    "%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";",
    "%3a": ":", "%2f": "/", "%3f": "?", "%2a": "*", "%2c": ",", "%3b": ";",
}  # fmt: skip
# What a sender calls is far shorter; to decode what a stranger asks for would be a lever.
MAX_DECODED_CHARACTERS = 2048


def content_of(template: Template) -> Piece:
    """Give what puts the signed bytes together.

    Args:
        template: Of the scheme; its places are those of `relay.scheme.Signature`.
    """
    pieces = tuple(map(_piece, template.places))
    form = b"%b".join(literal.replace("%", "%%").encode() for literal in template.literals)
    if template.places == ("body",) and form == b"%b":
        return _body
    if template.places == ("timestamp", "body"):
        # Most senders sign these two, and this is on the way of each of their deliveries.
        return lambda delivery: form % (delivery.claim.timestamp.encode(), delivery.body)
    if len(pieces) == 2:
        first, second = pieces
        return lambda delivery: form % (first(delivery), second(delivery))
    if len(pieces) == 3:
        first, second, third = pieces
        return lambda delivery: form % (first(delivery), second(delivery), third(delivery))
    return lambda delivery: form % tuple([piece(delivery) for piece in pieces])


def wire_bytes(text: str) -> bytes:
    """Give a header's text as the bytes that came; aiohttp hands on odd ones as surrogates."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Did not come over the wire, so nobody signed it.
        return text.encode("utf-8", "replace")


def _piece(place: str) -> Piece:
    if place.startswith("header."):
        name = place.removeprefix("header.")
        return lambda delivery: wire_bytes(delivery.headers.get(name, "").strip(BLANKS))
    return _PIECES[place]


def _body(delivery: Delivery) -> bytes:
    return delivery.body


def _timestamp(delivery: Delivery) -> bytes:
    return delivery.claim.timestamp.encode()


def _decoded_url(delivery: Delivery) -> bytes:
    url = delivery.url
    if "%" in url and len(url) <= MAX_DECODED_CHARACTERS:
        for code, character in _DECODED.items():
            url = url.replace(code, character)
    return wire_bytes(url)


_PIECES: dict[str, Piece] = {
    "body": _body,
    "timestamp": _timestamp,
    "url": lambda delivery: wire_bytes(delivery.url),
    "decoded-url": _decoded_url,
    "method": lambda delivery: delivery.method.encode(),
}
