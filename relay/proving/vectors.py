"""Deliveries that senders have published with their secrets, as data."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

FILE = "vectors.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """A delivery with the signature that it must have.

    Args:
        preset: Of its sender.
        header: Has the signature; empty where that stands in the body.
        value: Of this header.
        headers: What else belongs to it; names in lower case.
        secret: Of the endpoint; the public key of a sender that has the private one.
        body: The bytes that were signed.
        url: As the sender knows it, without a query.
        query: Without ``?``.
        at: When it was sent, Unix seconds.
        is_repeatable: Whether a second signature is the same.
        is_taken: Whether it is to be taken: what rests on a scheme that is not safe is not.
        source: The public page that has it; empty where it is not published.
    """

    preset: str
    header: str
    value: str
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str
    body: bytes
    url: str | None = None
    query: str = ""
    at: int = 0
    is_repeatable: bool = True
    is_taken: bool = True
    source: str = ""


@cache
def published() -> tuple[Vector, ...]:
    """Give all of them."""
    text = (files(__package__) / FILE).read_text("utf-8")
    given = tomllib.loads(text)["vectors"]
    return tuple(Vector(**each | {"body": each["body"].encode()}) for each in given)
