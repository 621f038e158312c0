"""Points the kit at a receiver of the tests."""

from typing import Any

from relay.conformance import Target, Trouble
from relay.conformance.address import Address
from relay.conformance.event import Maker, Signer
from relay.endpoint import Secret
from relay.providers import PROVIDERS
from tests.conformance.receiver import MAX_BODY_BYTES, SECOND, SECRET, Receiver


def target(receiver: Receiver, **changes: object) -> Target:
    """Say what is known of a receiver; everything, as usual."""
    provider = PROVIDERS["unipile"]
    known: dict[str, Any] = {
        "address": Address.parse(receiver.url),
        "signer": Signer(provider, Secret(SECRET, "test"), Secret(SECOND, "test")),
        "maker": Maker(provider, "message.new", "0123abcd"),
        "max_body_bytes": MAX_BODY_BYTES,
        "patience_seconds": receiver.patience_seconds,
        "slow_seconds": receiver.slow_seconds,
        "at_once": 100,
        "observer": receiver,
        "trouble": Trouble(receiver.break_it, receiver.mend_it),
    }
    return Target(**known | changes)
