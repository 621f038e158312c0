"""The family that nearly every sender belongs to: a signature in a header, over a template.

Every comparison is in constant time and all of them are made, so the time taken says nothing
about which secret or candidate came close.
"""

from base64 import urlsafe_b64encode
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from functools import partial
from hmac import compare_digest

from relay.delivery import Claim, Delivery
from relay.endpoint import Secret
from relay.scheme import Encoding, Signature
from relay.verify.age import check_age, ms_of, reader_of, written
from relay.verify.content import content_of
from relay.verify.family import CannotSign, Proved, Signed, Unsent, first, refuse
from relay.verify.header import head_reader
from relay.verify.in_json import text_at
from relay.verify.keys import key_bytes, keyed_for


class SignatureVerifier:
    """Verifies by a scheme's seven fields.

    Args:
        scheme: The fields.
    """

    def __init__(self, scheme: Signature) -> None:
        self._scheme = scheme
        self._content = content_of(scheme.template)
        self._match: Callable[[Delivery, bytes], Secret | None] = (
            _public_key_matching(scheme) if scheme.is_asymmetric else _hmac_matching(scheme)
        )
        self._read_time = reader_of(scheme.timestamp.unit) if scheme.timestamp else None
        where, path = scheme.timestamp.place if scheme.timestamp else ("", "")
        self._time_path = path if where == "body" else ""
        self.examine: Callable[[Mapping[str, str]], Claim] = head_reader(scheme)

    def prove(self, delivery: Delivery) -> Proved:
        """Refuse a delivery unless one candidate was made with one of the secrets.

        Raises:
            SignatureRefused: With the reason.
        """
        secret = self._match(delivery, self._content(delivery))
        if secret is None:
            refuse("signature_mismatch")
        time = self._scheme.timestamp
        if time is None:
            return Proved(None, secret)
        timestamp = self._text_in_body(delivery) if self._time_path else delivery.claim.timestamp
        is_late = check_age(delivery.endpoint, ms_of(timestamp, time.unit), delivery)
        return Proved(timestamp, secret, is_late)

    def _text_in_body(self, delivery: Delivery) -> str:
        """Read a timestamp that is signed with the body it stands in."""
        timestamp = text_at(delivery.body, self._time_path) or ""
        if self._read_time is None or self._read_time(timestamp) is None:
            refuse("signature_malformed")
        return timestamp

    def content(self, delivery: Delivery) -> bytes:
        """Give the bytes that are signed, for whoever explains a refusal."""
        return self._content(delivery)

    def sign(self, unsent: Unsent) -> Signed:
        """Sign as the sender does.

        Raises:
            CannotSign: A private key is needed, or a secret that is none.
        """
        scheme, headers = self._scheme, dict(unsent.headers)
        for name in scheme.signed_headers:
            headers.setdefault(name, unsent.event_id)
        timestamp = written(unsent.at, scheme.timestamp.unit) if scheme.timestamp else ""
        where, name = scheme.timestamp.place if scheme.timestamp else ("", "")
        if where == "header":
            headers[name] = timestamp
        delivery = Delivery(
            endpoint=unsent.endpoint,
            claim=Claim(timestamp),
            headers=headers,
            query=unsent.query,
            body=unsent.body,
            received_at_ms=0,
        )
        signature = encoded(self._make(unsent, self._content(delivery)), scheme.encoding)
        headers[scheme.headers[0]] = self._header_text(signature, timestamp)
        return Signed(headers, unsent.body, unsent.query)

    def check(self, secret: Secret) -> None:
        """Refuse a secret that is no key of this scheme.

        Raises:
            ValueError: It is not; the message does not show it.
        """
        if self._scheme.is_asymmetric:
            _public_key(self._scheme, secret)
        else:
            key_bytes(self._scheme.key, secret.reveal())

    def _make(self, unsent: Unsent, content: bytes) -> bytes:
        scheme = self._scheme
        if scheme.is_asymmetric:
            if unsent.key is None:
                raise CannotSign("the endpoint has a public key; a private one is needed to sign")
            from relay.verify.asymmetric import sign  # noqa: PLC0415 - only with the extra

            return sign(scheme.algorithm, unsent.key, content)
        mac = keyed_for(scheme.algorithm, scheme.key)(first(unsent.secrets))
        mac.update(content)
        return mac.digest()

    def _header_text(self, signature: str, timestamp: str) -> str:
        split = self._scheme.split
        if split is None:
            return signature
        parts = [f"{split.signature}{split.pairs}{signature}"]
        if split.timestamp is not None:
            parts.insert(0, f"{split.timestamp}{split.pairs}{timestamp}")
        return split.items.join(parts)


def _hmac_matching(scheme: Signature) -> Callable[[Delivery, bytes], Secret | None]:
    keyed = keyed_for(scheme.algorithm, scheme.key)

    def match(delivery: Delivery, content: bytes) -> Secret | None:
        found = None
        candidates = delivery.claim.candidates
        for secret in delivery.secrets:
            mac = keyed(secret)
            mac.update(content)
            expected = mac.digest()
            for candidate in candidates:
                if compare_digest(expected, candidate):
                    found = found or secret
        return found

    return match


def _public_key_matching(scheme: Signature) -> Callable[[Delivery, bytes], Secret | None]:
    def match(delivery: Delivery, content: bytes) -> Secret | None:
        for secret in delivery.secrets:
            holds = _public_key(scheme, secret)
            if any(holds(candidate, content) for candidate in delivery.claim.candidates):
                return secret
        return None

    return match


def _public_key(scheme: Signature, secret: Secret) -> Callable[[bytes, bytes], bool]:
    # Where no endpoint has a public key, the library for them is not needed.
    from relay.verify.asymmetric import load  # noqa: PLC0415

    return secret.made(_loading(scheme, load))


_loaders: dict[Signature, Callable[[bytes], Callable[[bytes, bytes], bool]]] = {}


def _loading(
    scheme: Signature, load: Callable[..., Callable[[bytes, bytes], bool]]
) -> Callable[[bytes], Callable[[bytes, bytes], bool]]:
    return _loaders.setdefault(scheme, partial(load, scheme.algorithm, scheme.key))


def encoded(signature: bytes, encoding: Encoding) -> str:
    """Write a signature."""
    if encoding == "hex":
        return signature.hex()
    if encoding == "base64url":
        return urlsafe_b64encode(signature).rstrip(b"=").decode()
    return b2a_base64(signature, newline=False).decode()
