"""One delivery that can be judged many times, each time with something else about it.

The verifier of the endpoint's scheme judges, a fresh one: so this stays true whatever a family
does, and nothing that is tried leaves a trace in the gateway's.
"""

from dataclasses import replace
from typing import Any

from multidict import CIMultiDict

from relay.contract.errors import RefusedSignature, SignatureRefused
from relay.delivery import Certificate, Delivery
from relay.endpoint import Endpoint, Secret
from relay.explain.received import Received
from relay.verify import new_verifier
from relay.verify.family import NO_CLAIM
from relay.verify.jwt import JwtVerifier

AGE: frozenset[RefusedSignature] = frozenset({"timestamp_too_old", "timestamp_in_future"})


def made_secret(value: bytes, name: str) -> Secret:
    """Make a secret of any bytes that counts at any time."""
    return Secret(value.decode("utf-8", "surrogateescape"), name)


class Trial:
    """A delivery and the endpoint for which it came.

    Args:
        endpoint: As it is configured now.
        request: What came.
        now_ms: When its secrets are to count.
    """

    def __init__(self, endpoint: Endpoint, request: Received, now_ms: int) -> None:
        self.request = request
        self.configured = endpoint
        self.endpoint = endpoint.as_of(now_ms)
        self.secrets = self.endpoint.secrets
        self.scheme = endpoint.provider.scheme
        self.verifier = new_verifier(self.scheme)
        self.headers = CIMultiDict(request.headers)
        self.claim = NO_CLAIM
        self.refused_head: RefusedSignature | None = None
        try:
            self.claim = self.verifier.examine(self.headers)
        except SignatureRefused as refusal:
            self.refused_head = refusal.reason
        self.delivery = Delivery(
            endpoint=self.endpoint,
            claim=self.claim,
            headers=self.headers,
            query=request.query,
            body=request.body or b"",
            received_at_ms=request.received_at_ms,
            method=request.method,
            certificate=request.certificate or _own_certificate(endpoint),
        )

    @property
    def is_whole(self) -> bool:
        """Whether all is there that is judged."""
        has_certificate = self.delivery.certificate is not None or not self.scheme.has_certificate
        return self.request.body is not None and has_certificate

    def with_(self, **changes: Any) -> Delivery:  # noqa: ANN401 - fields of a delivery
        """Give the delivery with something else about it."""
        fields = {name: getattr(self.delivery, name) for name in Delivery.__struct_fields__}
        return Delivery(**(fields | changes))

    def with_secrets(self, *secrets: Secret) -> Delivery:
        """Give the delivery as it would have come for an endpoint with other secrets."""
        return self.with_(endpoint=replace(self.endpoint, secrets=secrets))

    def reason(self, delivery: Delivery | None = None) -> RefusedSignature | None:
        """Give the reason for which it is refused, or none."""
        if self.refused_head is not None:
            return self.refused_head
        try:
            self.verifier.prove(self.delivery if delivery is None else delivery)
        except SignatureRefused as refusal:
            return refusal.reason
        except ValueError:
            return "signature_mismatch"  # a secret that is no key of this scheme
        return None

    def holds(self, delivery: Delivery) -> bool:
        """Say whether the signature is right, however old it is."""
        reason = self.reason(delivery)
        return reason is None or reason in AGE

    def fits(self, secret: Secret) -> bool:
        """Say whether the signature was made with a secret."""
        if self.refused_head is None and isinstance(self.verifier, JwtVerifier):
            try:
                return self.verifier.is_signed(self.claim, secret)
            except ValueError:
                return False
        return self.holds(self.with_secrets(secret))


def _own_certificate(endpoint: Endpoint) -> Certificate | None:
    own = endpoint.certificate
    return None if own is None else Certificate(own, own)
