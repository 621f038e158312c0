"""What is kept of a request beside its body: headers, query, trace, each within bounds.

Credentials and signatures are never kept.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

KEPT_HEADERS = (
    "content-type",
    "content-encoding",
    "content-language",
    "user-agent",
    "idempotency-key",
    "x-request-id",
)
REDACTED = "redacted"
_CREDENTIAL = re.compile(
    r"token|secret|password|passwd|signature|credential|apikey"
    r"|(?:^|[-_.\[])(?:auth|authorization|code|jwt|key|pass|pw|session|sig)(?:$|[-_.\]])",
    re.IGNORECASE,
)
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


def text(value: str | None) -> str | None:
    """Give a header's value as UTF-8."""
    return value if value is None or value.isascii() else _utf8(value)


def kept_headers(headers: Mapping[str, str], more: tuple[str, ...]) -> dict[str, str]:
    """Give the headers that are worth keeping.

    Args:
        headers: Of the request.
        more: Names that its kind of sender has.
    """
    kept = {}
    for name in (*KEPT_HEADERS, *more):
        value = headers.get(name)
        if value is not None:
            kept[name] = value if value.isascii() else _utf8(value)
    return kept


def redacted(query: str, secret: str = "") -> str:
    """Keep a query string, but not what looks like a credential in it.

    Args:
        query: Without ``?``.
        secret: The name of a parameter that is one, whatever it is called; empty for none.
    """
    return _utf8("&".join(_redacted_part(part, secret.lower()) for part in query.split("&")))


def names_only(query: str) -> str:
    """Keep the names of a query string's parameters; what has no value may be one itself."""
    parts = (part.partition("=") for part in query.split("&"))
    kept = (f"{name}={REDACTED}" if equals else REDACTED for name, equals, _ in parts)
    return _utf8("&".join(kept))


def valid_traceparent(value: str | None) -> str | None:
    """Give a trace context, if it is one."""
    return value if value is not None and _TRACEPARENT.fullmatch(value) else None


def _redacted_part(part: str, secret: str) -> str:
    name, equals, _ = part.partition("=")
    plain = unquote_plus(name)
    is_secret = _CREDENTIAL.search(plain) or (secret and plain.lower() == secret)
    return f"{name}={REDACTED}" if equals and is_secret else part


def _utf8(value: str) -> str:
    """Make a header's text UTF-8; aiohttp hands on bytes that are not as surrogates."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
