"""Signed deliveries of made-up events, each of which can be found again by its mark."""

import json
import secrets
import time
from dataclasses import dataclass

from relay.contract.examples import example
from relay.endpoint import Endpoint, Secret
from relay.provider import Provider
from relay.scheme import Signature
from relay.verify import sign_for

PREFIX = "conformance-"


@dataclass(frozen=True, slots=True)
class Event:
    """What one delivery carries.

    Args:
        mark: Stands in the body, and in no other event's; its id, unless a check wants another.
        body: The bytes to be signed and sent.
    """

    mark: str
    body: bytes

    def changed(self, **values: object) -> "Event":
        """Give the event with other values in the outermost object; ``...`` leaves a key out."""
        document = json.loads(self.body) | {"mark": self.mark} | values
        return Event(self.mark, compact({k: v for k, v in document.items() if v is not ...}))

    def with_body(self, body: bytes) -> "Event":
        """Give the event with another body, in which the mark may stand or not."""
        return Event(self.mark, body)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes events as a provider's would be.

    Args:
        provider: The kind of sender.
        event_type: What type they say.
        run: Part of every mark, new for each run.
    """

    provider: Provider
    event_type: str
    run: str

    def event(self, check: str, number: int) -> Event:
        """Make an event that nobody has seen yet."""
        mark = f"{PREFIX}{self.run}-{check}-{number:04d}"
        document = json.loads(example(self.provider.name, self.event_type))
        return Event(mark, compact(document | {self.key("id"): mark}))

    def key(self, value: str) -> str:
        """Name the outermost key of the body that holds a value of an event.

        Args:
            value: ``id``, ``type`` or ``time``.
        """
        return self.provider.key_of(value) or value


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs as the sender does, or almost.

    Args:
        provider: Says how.
        secret: The receiver's.
        second: Another that the receiver takes too, while secrets are replaced.
    """

    provider: Provider
    secret: Secret
    second: Secret | None = None

    @property
    def header(self) -> str:
        """Name of the header with the signature and its timestamp."""
        scheme = self.provider.scheme
        return scheme.headers[0] if isinstance(scheme, Signature) else ""

    def sign(self, body: bytes, *, at: int | None = None, by: Secret | None = None) -> str:
        """Give the header's value.

        Args:
            body: The bytes to be sent.
            at: Unix seconds; now by default.
            by: Another secret.
        """
        endpoint = Endpoint(
            name="conformance", provider=self.provider, secrets=(by or self.secret,)
        )
        signed = sign_for(endpoint, body, int(time.time()) if at is None else at)
        return signed[self.header]

    def sign_twice(self, body: bytes, first: Secret, second: Secret) -> str:
        """Give a header with two signatures, as a sender writes it that replaces its secret."""
        now = int(time.time())
        one, other = (self.sign(body, at=now, by=secret) for secret in (first, second))
        return f"{one},{other.partition(',')[2]}"


def compact(document: object) -> bytes:
    """Write JSON as senders do: no spaces, no escapes that are not needed."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # Half a pair of surrogates has no UTF-8; what this writes instead is its escape in JSON.
    return text.encode("utf-8", "backslashreplace")


def other_secret() -> Secret:
    """Make a secret that no receiver has."""
    return Secret(f"conformance-{secrets.token_hex(16)}", "made up")
