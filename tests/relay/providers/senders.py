"""A sender of each kind: an endpoint that knows it, and the key with which it signs."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import relay.proving.sender as proving
from relay.contract.examples import Example
from relay.delivery import Delivery
from relay.endpoint import Endpoint
from relay.providers import PROVIDERS
from relay.proving.sender import TOPIC, WEBHOOK_ID
from tests.issuing import issue
from tests.making import NOW

# Kinds of senders whose certificate is fetched; in tests it is one of ours.
CERTIFIED = [name for name in PROVIDERS if PROVIDERS[name].scheme.has_certificate]
SECRET = b"a secret of 32 bytes for tests!!"


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender and the endpoint to which it sends.

    Args:
        endpoint: Has the secret, or the public key.
        key: The private one as PEM, where there is one.
    """

    endpoint: Endpoint
    key: bytes | None = None

    def send(self, example: Example, at: int) -> Delivery:
        """Sign an example at a Unix second, and receive it in the same."""
        sent = proving.Sender(endpoint=self.endpoint, key=self.key).send(example, at)
        return proving.receive(self.endpoint, sent)


def table_of(name: str, endpoint: str, folder: Path) -> str:
    """Write an endpoint's table for the sender of a preset, and the files that it names."""
    known = sender_of(name).endpoint
    lines = [f"[endpoints.{endpoint}]", f'provider = "{name}"']
    if known.secrets:
        (folder / f"{name}.secret").write_bytes(known.secrets[0].reveal())
        lines.append(f'secrets = [{{ file = "{name}.secret" }}]')
    if name == "unipile-v1":
        # It has more types than an endpoint begins in an hour where nobody signs them.
        lines.append("max_new_types_per_hour = 30")
    if known.public_url:
        lines.append(f'public_url = "{known.public_url}"')
    if known.certificate:
        (folder / f"{name}.pem").write_bytes(known.certificate)
        lines += [f'certificate_file = "{name}.pem"', whose(name)]
    return "\n".join([*lines, ""])


def whose(name: str) -> str:
    """Write what an endpoint says of a sender that signs alike for everyone."""
    return f'topic_arns = ["{TOPIC}"]' if name == "aws-sns" else f'webhook_id = "{WEBHOOK_ID}"'


@cache
def sender_of(name: str, secret: bytes = SECRET) -> Sender:
    """Give the one sender of a preset that has a secret, or a key pair for it."""
    provider = PROVIDERS[name]
    if provider.scheme.has_certificate:
        return _certified(name)
    made = proving.make_sender(provider, secret, NOW)
    return Sender(made.endpoint, made.key)


def _certified(name: str) -> Sender:
    # For as long as anything runs on it, at whatever time.
    host = "sns.amazonaws.com" if name == "aws-sns" else "messageverificationcerts.paypal.com"
    issued = issue(host, begins=1.6e9, ends=2.4e9)
    endpoint = Endpoint(
        name="sender",
        provider=PROVIDERS[name],
        secrets=(),
        topics=frozenset({TOPIC}),
        webhook_id=WEBHOOK_ID,
        certificate=issued.pem,
    )
    return Sender(endpoint, issued.key_pem)
