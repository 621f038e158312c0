"""Where the proof of a delivery stands: a scheme in, names of headers or a path in the body out."""

from relay.scheme import Scheme, Signature, SignatureInBody

_NAMED = {"paypal": "paypal-transmission-sig", "basic": "authorization"}


def headers_of(scheme: Scheme) -> tuple[str, ...]:
    """Give the headers of which one holds the signature or the secret; none where the body does."""
    if isinstance(scheme, Signature):
        return scheme.headers
    place = getattr(scheme, "place", "")
    named = _NAMED.get(scheme.family) or getattr(scheme, "header", "")
    if not named and place.startswith("header."):
        named = place.removeprefix("header.")
    return (named,) if named else ()


def path_of(scheme: Scheme) -> str:
    """Give the path in the body of the signature or the secret; empty where a header has it."""
    if isinstance(scheme, SignatureInBody):
        return f"{scheme.items}.{scheme.signature}".removeprefix(".")
    if scheme.family == "sns":
        return "Signature"
    place = getattr(scheme, "place", "")
    return place.removeprefix("body.") if place.startswith("body.") else ""
