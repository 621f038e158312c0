"""Senders that sign nothing: a static secret, HTTP Basic, or no proof at all.

A static secret proves the sender and not the body, and whoever reads one delivery can send any.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import partial
from hmac import compare_digest
from urllib.parse import parse_qsl, quote

import msgspec

from relay.delivery import Claim, Delivery
from relay.endpoint import Secret
from relay.scheme import Basic, Token, Unsigned
from relay.verify.content import wire_bytes
from relay.verify.family import (
    MAX_HEADER_CHARACTERS,
    NO_CLAIM,
    CannotSign,
    Proved,
    Signed,
    Unsent,
    first,
    prove_any,
    refuse,
)
from relay.verify.header import decoded
from relay.verify.in_json import Pick, parsed, picker, text_in

# No sender's URL has more parameters, and what has is not looked through.
MAX_FIELDS = 1000


class TokenVerifier:
    """Compares a secret that stands in a header, in the query or in the body.

    Args:
        scheme: Says where.
    """

    def __init__(self, scheme: Token) -> None:
        self._source, _, self._name = scheme.place.partition(".")
        self._prefix = scheme.prefix
        # Whoever has not the secret fails by the first element, however many he sends.
        self._picks = (picker([self._name], most=1), picker([self._name]))

    def examine(self, headers: Mapping[str, str]) -> Claim:
        """Read the header, if it stands in one."""
        if self._source != "header":
            return NO_CLAIM
        text = headers.get(self._name)
        if text is None:
            refuse("signature_missing")
        return Claim("", (self._without_prefix(text),))

    def prove(self, delivery: Delivery) -> Proved:
        """Refuse a delivery without the secret.

        Raises:
            SignatureRefused: With the reason.
        """
        if delivery.claim.candidates:
            return _compare(delivery, delivery.claim.candidates)
        if self._source == "query":
            return _compare(delivery, [self._in_query(delivery.query)])
        # Whoever has not the secret has failed by the first pick.
        first_pick, every = self._picks
        _compare(delivery, self._in_body(delivery.body, first_pick))
        return _compare(delivery, self._in_body(delivery.body, every))

    def sign(self, unsent: Unsent) -> Signed:
        """Add the secret.

        Raises:
            CannotSign: It stands in the body, which has to bring it.
        """
        secret = first(unsent.secrets).reveal().decode("utf-8", "surrogateescape")
        if self._source == "body":
            return self._sign_body(unsent, secret)
        text = f"{self._prefix} {secret}" if self._prefix else secret
        if self._source == "query":
            parameter = f"{self._name}={quote(text, safe='', errors='surrogateescape')}"
            query = f"{unsent.query}&{parameter}" if unsent.query else parameter
            return Signed(dict(unsent.headers), unsent.body, query)
        return Signed({**unsent.headers, self._name: text}, unsent.body, unsent.query)

    def check(self, secret: Secret) -> None:
        """Take any text."""

    def _without_prefix(self, text: str) -> bytes:
        text = text.strip()
        if len(text) > MAX_HEADER_CHARACTERS or not text.startswith(self._prefix):
            refuse("signature_malformed")
        return wire_bytes(text.removeprefix(self._prefix).strip())

    def _in_query(self, query: str) -> bytes:
        """Give the secret of a URL; of several it would be open which one counts."""
        try:
            pairs = parse_qsl(
                query, keep_blank_values=True, errors="surrogateescape", max_num_fields=MAX_FIELDS
            )
        except ValueError:
            refuse("signature_malformed")
        found = [value for name, value in pairs if name == self._name]
        if not found:
            refuse("signature_missing")
        if len(found) > 1:
            refuse("signature_malformed")
        return self._without_prefix(found[0])

    def _in_body(self, body: bytes, pick: Pick) -> list[bytes]:
        """Give the secret of each element, or of the body; there must be one in all of them."""
        array, _, path = self._name.rpartition("[].")
        try:
            value = pick(body)
        except ValueError:
            refuse("signature_missing")
        found = [text_in(item, path) for item in (value.get(array, ()) if array else [value])]
        if not found:
            refuse("signature_missing")
        if any(text is None for text in found):
            refuse("signature_missing")
        return [wire_bytes(text) for text in found if text is not None]

    def _sign_body(self, unsent: Unsent, secret: str) -> Signed:
        array, _, path = self._name.rpartition("[].")
        value = parsed(unsent.body)
        items = value.get(array) if array and isinstance(value, dict) else [value]
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise CannotSign(f"the body has no {self._name}")
        for item in items:
            item[path] = secret
        return Signed(dict(unsent.headers), msgspec.json.encode(value), unsent.query)


class BasicVerifier:
    """Compares HTTP Basic credentials.

    Source: RFC 7617.
    """

    def __init__(self, scheme: Basic) -> None:
        del scheme

    def examine(self, headers: Mapping[str, str]) -> Claim:
        """Read the header."""
        text = headers.get("authorization")
        if text is None:
            refuse("signature_missing")
        word, _, credentials = text.strip().partition(" ")
        found = decoded(credentials.strip(), "base64") if word.lower() == "basic" else None
        if found is None:
            refuse("signature_malformed")
        return Claim("", (found,))

    def prove(self, delivery: Delivery) -> Proved:
        """Refuse a delivery without the credentials.

        Raises:
            SignatureRefused: With the reason.
        """
        return _compare(delivery, delivery.claim.candidates)

    def sign(self, unsent: Unsent) -> Signed:
        """Add the credentials."""
        credentials = b64encode(first(unsent.secrets).reveal()).decode()
        headers = {**unsent.headers, "authorization": f"Basic {credentials}"}
        return Signed(headers, unsent.body, unsent.query)

    def check(self, secret: Secret) -> None:
        """Refuse what has no password.

        Raises:
            ValueError: There is no colon in it, or nothing else.
        """
        if b":" not in secret.reveal() or secret.reveal() == b":":
            raise ValueError("the secret is user:password")


class UnsignedVerifier:
    """Takes everything, and proves nothing."""

    def __init__(self, scheme: Unsigned) -> None:
        del scheme

    def examine(self, headers: Mapping[str, str]) -> Claim:  # noqa: ARG002
        """Claim nothing."""
        return NO_CLAIM

    def prove(self, delivery: Delivery) -> Proved:  # noqa: ARG002
        """Take it."""
        return Proved()

    def sign(self, unsent: Unsent) -> Signed:
        """Add nothing."""
        return Signed(dict(unsent.headers), unsent.body, unsent.query)

    def check(self, secret: Secret) -> None:  # noqa: ARG002
        """Refuse a secret, which nobody would look at.

        Raises:
            ValueError: Always.
        """
        raise ValueError("this endpoint takes everything, so it has no secret")


def _compare(delivery: Delivery, candidates: Iterable[bytes]) -> Proved:
    """Refuse a delivery unless each of these is one of its endpoint's secrets."""
    secrets = delivery.secrets
    fitting = [prove_any(secrets, partial(_is, candidate)) for candidate in candidates]
    return Proved(None, fitting[0] if fitting else None)


def _is(candidate: bytes, secret: Secret) -> bool:
    return compare_digest(secret.reveal(), candidate)
