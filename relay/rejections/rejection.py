"""One row of the refusal log: a refused request as it came, and what was compared.

Its headers and its body are kept as they are, so that it can be verified again; what shows them
redacts them. Of a URL that holds the secret only names are kept, and it cannot be verified again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from multidict import CIMultiDict

from relay.contract.connect import text_of
from relay.endpoint import Endpoint
from relay.identify.kept import names_only

# What signed webhooks have at most, nearly always.
KEPT_BODY_BYTES = 256 * 1024
KEPT_HEADER_BYTES = 32 * 1024
KEPT_QUERY_BYTES = 16 * 1024
# They prove nothing to us, and whoever reads the log could use them elsewhere.
LEFT_OUT_HEADERS = frozenset({"cookie", "proxy-authorization"})
# What a row takes in the store beside its texts, more than less: nodes, lengths, names; and of its
# texts as many quarters, since memory is given out in sizes that are up to a quarter apart.
ROW_BYTES = 512
QUARTERS = 5

Compared = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A refused request.

    Args:
        endpoint: Where it was sent.
        provider: What kind of sender the endpoint was for then.
        received_at_ms: When, ms since the epoch.
        request_id: That of the answer, as its sender has it too.
        reason: Why it was refused, the stable word.
        client: Address of who sent it.
        method: Of the request.
        query: Without ``?``.
        headers: Names and values as they came, in their order.
        body: All of it; none where it is longer than is kept, or did not come.
        body_bytes: How long it is; none where it did not come.
        body_sha256: Its digest in hex; none where it did not come.
        is_dry_run: It was stored all the same.
        compared: The few facts by which it was judged.
        id: Of the row; empty before it is written.
    """

    endpoint: str
    provider: str
    received_at_ms: int
    request_id: str
    reason: str
    client: str = ""
    method: str = "POST"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    body_bytes: int | None = None
    body_sha256: str | None = None
    is_dry_run: bool = False
    compared: Compared = field(default_factory=dict)
    id: str = ""

    @property
    def held_bytes(self) -> int:
        """What it holds of a process until it is written, more or less."""
        texts = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.body or b"") + texts + len(self.query)

    def fields(self) -> list[str | bytes]:
        """Give names and values of the row, its size first and its body last."""
        texts: dict[str, str | bytes | None] = {
            "reason": self.reason,
            "receivedat": str(self.received_at_ms),
            "requestid": self.request_id,
            "provider": self.provider,
            "client": self.client,
            "method": self.method,
            "query": self.query.encode("utf-8", "surrogateescape") or None,
            # ASCII, so that odd bytes of a sender come back as they were.
            "headers": json.dumps(self.headers),
            "compared": json.dumps(dict(self.compared)) if self.compared else None,
            "dryrun": "1" if self.is_dry_run else None,
            "bodybytes": None if self.body_bytes is None else str(self.body_bytes),
            "bodysha256": self.body_sha256,
            "body": self.body,
        }
        row = [part for name, value in texts.items() if value is not None for part in (name, value)]
        return ["size", str(ROW_BYTES + QUARTERS * sum(map(len, row)) // 4), *row]


def rejection_of(
    endpoint: Endpoint, raw_headers: Iterable[tuple[bytes, bytes]], **said: object
) -> Rejection:
    """Make a row of a request.

    Args:
        endpoint: Where it was sent.
        raw_headers: As they came.
        said: The other attributes of `Rejection`, with the whole body, if it came.
    """
    body = said.pop("body", None)
    query = str(said.pop("query", ""))
    if query and endpoint.provider.scheme.secret_parameter:
        # Whoever wrote the URL may have called the secret otherwise, so no value is kept.
        query = names_only(query)
    known: dict[str, object] = {"body": None, "body_bytes": None, "body_sha256": None}
    if isinstance(body, bytes):
        known = {
            "body": body if len(body) <= KEPT_BODY_BYTES else None,
            "body_bytes": len(body),
            "body_sha256": hashlib.sha256(body).hexdigest(),
        }
    return Rejection(
        endpoint=endpoint.name,
        provider=endpoint.provider.name,
        headers=_kept(raw_headers),
        query=query if len(query) <= KEPT_QUERY_BYTES else "",
        # Names and values are those of the attributes, which mypy cannot see in a mapping.
        **{**said, **known},  # type: ignore[arg-type]
    )


def read_rejection(endpoint: str, entry_id: str, fields: Mapping[bytes, bytes]) -> Rejection | None:
    """Read a row.

    Returns:
        The row; none where it is not of our form, as one that somebody else has written.
    """
    row = {text_of(name): value for name, value in fields.items()}
    try:
        return Rejection(
            id=entry_id,
            endpoint=endpoint,
            provider=text_of(row.get("provider", b"")),
            received_at_ms=int(row["receivedat"]),
            request_id=text_of(row.get("requestid", b"")),
            reason=text_of(row["reason"]),
            client=text_of(row.get("client", b"")),
            method=text_of(row.get("method", b"POST")),
            query=row.get("query", b"").decode("utf-8", "surrogateescape"),
            headers=_pairs(row.get("headers", b"[]")),
            body=row.get("body"),
            body_bytes=int(row["bodybytes"]) if "bodybytes" in row else None,
            body_sha256=text_of(row["bodysha256"]) if "bodysha256" in row else None,
            is_dry_run="dryrun" in row,
            compared=_compared(row.get("compared", b"{}")),
        )
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def delivery_headers(rejection: Rejection) -> Mapping[str, str]:
    """Give the headers as a delivery has them: of one that came twice the first counts."""
    return CIMultiDict(rejection.headers)


def _kept(raw: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    kept, left = [], KEPT_HEADER_BYTES
    for name, value in raw:
        left -= len(name) + len(value)
        text = name.decode("utf-8", "surrogateescape")
        if left < 0:
            break
        if text.lower() not in LEFT_OUT_HEADERS:
            kept.append((text, value.decode("utf-8", "surrogateescape")))
    return tuple(kept)


def _pairs(text: bytes) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in json.loads(text))


def _compared(text: bytes) -> Compared:
    found = json.loads(text)
    return {
        str(name): value if isinstance(value, int) else str(value) for name, value in found.items()
    }
