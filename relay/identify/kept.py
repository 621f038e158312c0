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


def redacted(query: str) -> str:
    """Keep a query string, but not what looks like a credential in it."""
    return _utf8("&".join(_redacted_part(part) for part in query.split("&")))


def valid_traceparent(value: str | None) -> str | None:
    """Give a trace context, if it is one."""
    return value if value is not None and _TRACEPARENT.fullmatch(value) else None


def _redacted_part(part: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}=redacted" if equals and _CREDENTIAL.search(unquote_plus(name)) else part


def _utf8(value: str) -> str:
    """Make a header's text UTF-8; aiohttp hands on bytes that are not as surrogates."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
