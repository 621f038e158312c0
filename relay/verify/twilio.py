"""Twilio: HMAC-SHA1 over the public URL and what stands in the form.

Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

import re
from binascii import b2a_base64
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest

from relay.contract.forms import signed_form
from relay.delivery import Claim, Delivery
from relay.endpoint import Secret
from relay.scheme import TwilioSignature
from relay.verify.content import wire_bytes
from relay.verify.family import Proved, Signed, Unsent, first, prove_any, refuse
from relay.verify.header import decoded

BODY_DIGEST = "bodySHA256"
# Twilio appends it. Nothing stands between URL and form: taken from elsewhere, somebody's text in a
# form could be sent again as the query, with the digest of a body of his own.
_IN_QUERY = re.compile(rf"(?:^|&){BODY_DIGEST}=([0-9A-Fa-f]{{64}})\Z").search


class TwilioVerifier:
    """Verifies deliveries of Twilio.

    Args:
        scheme: Names the header.
    """

    def __init__(self, scheme: TwilioSignature) -> None:
        self._header = scheme.header

    def examine(self, headers: Mapping[str, str]) -> Claim:
        """Read the signature."""
        text = headers.get(self._header)
        if text is None:
            refuse("signature_missing")
        signature = decoded(text.strip(), "base64") if len(text) < 64 else None
        if signature is None:
            refuse("signature_malformed")
        return Claim("", (signature,))

    def prove(self, delivery: Delivery) -> Proved:
        """Refuse a delivery unless Twilio signed its URL and its form, or its body's digest.

        Raises:
            SignatureRefused: With the reason.
        """
        content = _content(delivery.url, delivery.query, delivery.body)
        (candidate,) = delivery.claim.candidates
        secret = prove_any(
            delivery.secrets,
            lambda secret: compare_digest(_digest(secret, content), candidate),
        )
        return Proved(None, secret)

    def content(self, delivery: Delivery) -> bytes:
        """Give the bytes that are signed, for whoever explains a refusal.

        Raises:
            SignatureRefused: The body is not that of the digest in the URL, or no form.
        """
        return _content(delivery.url, delivery.query, delivery.body)

    def sign(self, unsent: Unsent) -> Signed:
        """Sign as Twilio does.

        Raises:
            CannotSign: The endpoint has no secret.
        """
        query, body = unsent.query, unsent.body
        if body[:1] in {b"{", b"["} and BODY_DIGEST not in query:
            query = f"{query}&" * bool(query) + f"{BODY_DIGEST}={sha256(body).hexdigest()}"
        public = unsent.endpoint.public_url or ""
        content = _content(f"{public}?{query}" if query else public, query, body)
        digest = _digest(first(unsent.secrets), content)
        signature = b2a_base64(digest, newline=False).decode()
        return Signed({**unsent.headers, self._header: signature}, body, query)

    def check(self, secret: Secret) -> None:
        """Take any text."""


def _content(url: str, query: str, body: bytes) -> bytes:
    """Give what is signed.

    Raises:
        SignatureRefused: The body is not that of the digest in the URL, or no form.
    """
    if found := _IN_QUERY(query):
        if not compare_digest(sha256(body).hexdigest(), found[1].lower()):
            refuse("signature_mismatch")
        return wire_bytes(url)
    try:
        form = signed_form(body)
    except ValueError:
        refuse("signature_mismatch")
    return wire_bytes(url) + wire_bytes(form)


def _digest(secret: Secret, content: bytes) -> bytes:
    mac = secret.keyed("sha1")
    mac.update(content)
    return mac.digest()
