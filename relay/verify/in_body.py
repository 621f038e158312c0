"""The family whose signature stands in the body, over a few of its values.

What it does not cover anyone may change who has seen one delivery, so it proves the sender and
not the body; a value that is new in each delivery is remembered, to take each signature once.
"""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Any

import msgspec

from relay.delivery import Claim, Delivery
from relay.endpoint import Secret
from relay.scheme import SignatureInBody
from relay.template import parse_template
from relay.verify.age import check_age, reader_of, written
from relay.verify.content import wire_bytes
from relay.verify.family import (
    MAX_CANDIDATES,
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
from relay.verify.in_json import parsed, picker, text_in, written_at
from relay.verify.keys import key_bytes, keyed_for
from relay.verify.signature import encoded

# As many signatures are remembered as come in the time for which one is good, at the usual rates.
MAX_REMEMBERED = 100_000


class InBodyVerifier:
    """Verifies signatures that stand in the body.

    Args:
        scheme: Where they stand, and what they cover.
    """

    def __init__(self, scheme: SignatureInBody) -> None:
        self._scheme = scheme
        self._signed = parse_template(scheme.signed)
        self._keyed = keyed_for(scheme.algorithm, scheme.key)
        self._read_time = reader_of(scheme.timestamp.unit) if scheme.timestamp else None
        within = f"{scheme.items}." if scheme.items else ""
        each = (scheme.signature, *(place.removeprefix("body.") for place in self._signed.places))
        whole = [scheme.timestamp.place[1]] if scheme.timestamp else []
        whole += [scheme.once] if scheme.once else []
        # One more than is allowed says that there are too many.
        self._pick = picker(
            [*whole, *(f"{within}{path}" for path in each)], most=MAX_CANDIDATES + 1
        )
        self._seen: OrderedDict[bytes, bytes] = OrderedDict()

    def examine(self, headers: Mapping[str, str]) -> Claim:  # noqa: ARG002
        """Claim nothing: all of it stands in the body."""
        return NO_CLAIM

    def prove(self, delivery: Delivery) -> Proved:
        """Refuse a delivery unless each of its items has a signature of its own.

        Raises:
            SignatureRefused: With the reason.
        """
        try:
            body = self._pick(delivery.body)
        except ValueError:
            refuse("signature_missing")
        fitting = [self._prove_item(delivery, item) for item in self._items(body)]
        secret = next(iter(fitting), None)
        if self._scheme.timestamp is None or self._read_time is None:
            return Proved(None, secret)
        timestamp = text_in(body, self._scheme.timestamp.place[1]) or ""
        signed_at_ms = self._read_time(timestamp)
        if signed_at_ms is None:
            refuse("signature_malformed")
        is_late = check_age(delivery.endpoint, signed_at_ms, delivery)
        if self._scheme.once:
            self._take_once(delivery, body)
        return Proved(timestamp, secret, is_late)

    def sign(self, unsent: Unsent) -> Signed:
        """Write the signature into the body.

        Raises:
            CannotSign: The body has no room for it.
        """
        scheme, body = self._scheme, parsed(unsent.body)
        if not isinstance(body, dict):
            raise CannotSign("the body is no JSON object, and the signature stands in it")
        if scheme.timestamp is not None:
            _put(body, scheme.timestamp.place[1], written(unsent.at, scheme.timestamp.unit))
        secret = first(unsent.secrets)
        for item in self._items(body):
            _put(item, scheme.signature, encoded(self._digest(secret, item), scheme.encoding))
        return Signed(dict(unsent.headers), msgspec.json.encode(body), unsent.query)

    def check(self, secret: Secret) -> None:
        """Refuse a secret that is no key of this scheme.

        Raises:
            ValueError: It is not; the message does not show it.
        """
        key_bytes(self._scheme.key, secret.reveal())

    def _items(self, body: object) -> list[Any]:
        if not self._scheme.items:
            return [body]
        key, *rest = self._scheme.items.split("[].")
        found = body.get(key) if isinstance(body, dict) else None
        # Each is judged by itself, and a wrong one must not cost more than a right one.
        if not isinstance(found, list) or not 0 < len(found) <= MAX_CANDIDATES:
            refuse("signature_missing" if not found else "signature_malformed")
        return [item.get(rest[0]) if rest and isinstance(item, dict) else item for item in found]

    def _prove_item(self, delivery: Delivery, item: object) -> Secret:
        text = text_in(item, self._scheme.signature)
        if text is None:
            refuse("signature_missing")
        signature = decoded(text, self._scheme.encoding)
        if signature is None:
            refuse("signature_malformed")
        return prove_any(
            delivery.secrets,
            lambda secret: compare_digest(self._digest(secret, item), signature),
        )

    def _digest(self, secret: Secret, item: object) -> bytes:
        first_text, *literals = self._signed.literals
        text = first_text
        for place, literal in zip(self._signed.places, literals, strict=True):
            text += _signed_text(item, place.removeprefix("body.")) + literal
        mac = self._keyed(secret)
        mac.update(wire_bytes(text))
        return mac.digest()

    def _take_once(self, delivery: Delivery, body: object) -> None:
        """Take a value with one event only: what it came with first may come again."""
        once = sha256(wire_bytes(text_in(body, self._scheme.once) or "")).digest()
        key = delivery.endpoint.provider.event.digested
        event = written_at(delivery.body, key) if key else delivery.body
        digest = sha256(event).digest()
        if self._seen.setdefault(once, digest) != digest:
            refuse("signature_mismatch")
        if len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)


def _signed_text(item: object, path: str) -> str:
    found = text_in(item, path)
    if found is not None:
        return found
    value = item
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return str(value).lower() if isinstance(value, bool) else ""


def _put(item: object, path: str, text: str) -> None:
    *keys, last = path.split(".")
    for key in keys:
        item = item.setdefault(key, {}) if isinstance(item, dict) else None
    if not isinstance(item, dict):
        raise CannotSign(f"the body has no {path}")
    item[last] = text
