"""What may be shown of a row: nothing of a sender's credentials, and its body only when asked for.

What is kept of an event's request is shown of a refused one, by the same rules.
"""

from collections.abc import Mapping

from relay.commands.rejections.find import name_of
from relay.contract.display import time_text
from relay.identify.kept import KEPT_HEADERS, redacted, text
from relay.providers import PROVIDERS
from relay.rejections.accepted import Acceptance
from relay.rejections.rejection import Rejection

REDACTED = "redacted"
MAX_BODY_SHOWN = 64 * 1024
# They say which way a request came and how, and nobody proves himself by them.
HEADERS_OF_THE_WAY = (
    *("host", "date", "via", "forwarded", "x-forwarded-for", "x-forwarded-host"),
    *("x-forwarded-proto", "x-real-ip", "accept", "accept-encoding", "connection", "expect"),
    *("content-length", "transfer-encoding"),
)

# What a list has room for, of what was compared.
_DECIDED_BY = {
    "signature_missing": ("header_missing", "place"),
    "signature_malformed": ("header", "place", "candidate_bytes", "expected_bytes"),
    "signature_mismatch": ("used_before", "secrets"),
    "timestamp_too_old": ("age_seconds", "tolerance_seconds"),
    "timestamp_in_future": ("age_seconds", "tolerance_seconds"),
}

Row = dict[str, object]


def summary(row: Rejection, acceptance: Acceptance | None) -> Row:
    """Give what a list says of a row, and JSON too."""
    return {
        "id": name_of(row),
        "received": time_text(row.received_at_ms),
        "endpoint": row.endpoint,
        "reason": row.reason,
        "compared": dict(row.compared),
        "client": row.client,
        "user_agent": _user_agent(row),
        "body_bytes": row.body_bytes,
        "request_id": row.request_id,
        "dry_run": row.is_dry_run,
        "accepted": None if acceptance is None else accepted_words(acceptance),
    }


def whole(row: Rejection, acceptance: Acceptance | None, *, with_body: bool) -> Row:
    """Give all that is shown of a row."""
    shown = summary(row, None) | {
        "provider": row.provider,
        "method": row.method,
        "query": redacted(row.query) if row.query else "",
        "headers": _headers(row),
        "body_sha256": row.body_sha256,
        "accepted": None if acceptance is None else accepted(acceptance),
    }
    if with_body:
        body = row.body
        is_cut = body is not None and len(body) > MAX_BODY_SHOWN
        shown["body"] = None if body is None else body[:MAX_BODY_SHOWN].decode("utf-8", "replace")
        shown["body_cut"] = is_cut
    return shown


def accepted(acceptance: Acceptance) -> Row:
    """Give what is noted of an acceptance."""
    return {
        "at": time_text(acceptance.at_ms),
        "outcome": acceptance.outcome,
        "event_id": acceptance.event_id,
        "entry_id": acceptance.entry_id,
        "assurance": acceptance.assurance,
        "by": acceptance.by or None,
        "reason": acceptance.why or None,
    }


def accepted_words(acceptance: Acceptance) -> str:
    """Say in a word or two that a row was accepted."""
    return f"forced by {acceptance.by}" if acceptance.by else acceptance.outcome


def compared_words(compared: Mapping[str, object]) -> str:
    """Say what was compared on a part of a line."""
    return ", ".join(f"{name}={value}" for name, value in compared.items())


def compared_short(row: Rejection) -> str:
    """Say in a few words what decided, as far as the row says it."""
    wanted = _DECIDED_BY.get(row.reason, tuple(row.compared))
    return compared_words({name: row.compared[name] for name in wanted if name in row.compared})


def _headers(row: Rejection) -> list[list[str]]:
    preset = PROVIDERS.get(row.provider)
    own = preset.headers if preset else ()
    kept = {name.lower() for name in (*KEPT_HEADERS, *HEADERS_OF_THE_WAY, *own)}
    return [
        [text(name) or "", (text(value) or "") if name.lower() in kept else REDACTED]
        for name, value in row.headers
    ]


def _user_agent(row: Rejection) -> str | None:
    return next((text(value) for name, value in row.headers if name.lower() == "user-agent"), None)
