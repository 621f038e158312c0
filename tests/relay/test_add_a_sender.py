"""The page on senders without a preset: its tables are loaded, and each verifies a delivery."""

import hashlib
import hmac
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from relay.contract.errors import HandshakeRefused
from relay.contract.examples import Example, make_example
from relay.delivery import VerifiedDelivery
from relay.endpoint import Endpoint
from relay.handshake import Asked, Handshakes
from relay.identify import identify_each
from relay.providers import PROVIDERS
from relay.proving.keys import make_pair
from relay.proving.sender import Sender, Sent, receive
from relay.scheme import Key
from relay.settings import Settings, build_endpoints
from relay.verify import verify
from tests.making import NOW

PAGE = Path(__file__).parents[2] / "docs/how-to/add-a-sender.md"
README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
TABLES: dict[str, dict[str, Any]] = {
    name: table for block in BLOCKS for name, table in tomllib.loads(block)["endpoints"].items()
}
PUBLIC_KEY, PRIVATE_KEY = make_pair("ed25519", Key(form="hex"))
SECRETS = {
    "ACME_SECRET": "acme secret",
    "SHOP_SECRET": "shop secret",
    "FLEET_PUBLIC_KEY": PUBLIC_KEY,
    "DOORBELL_TOKEN": "doorbell token",
    "GATE_SECRET": "gate secret",
    "PRINTER_USER_AND_PASSWORD": "user:password",
    "CODE_SECRET": "code secret",
}
# What the sender says beside the body of the example, the type of the event, and what is proved.
CASES: dict[str, tuple[dict[str, str], str, str]] = {
    "acme": ({}, "order.created", "body"),
    "shop": ({"x-shop-event": "1", "x-shop-topic": "orders/paid"}, "orders/paid", "body"),
    "bank": ({}, "payment.order.created", "body"),
    "fleet": ({"x-fleet-time": "1"}, "order.created", "body"),
    "gate": ({}, "order.created", "body"),
    "doorbell": ({}, "order.created", "sender"),
    "printer": ({}, "order.created", "sender"),
    "garden": ({}, "order.created", "none"),
    "code": ({"x-github-event": "push", "x-github-delivery": "1"}, "push", "body"),
}


def endpoint_of(name: str) -> Endpoint:
    """Make an endpoint of the page."""
    settings = Settings.load(SECRETS, {"endpoints": {name: TABLES[name]}})
    return build_endpoints(settings, SECRETS, lambda _: "bank_c2VjcmV0")[name]


def example_of(name: str) -> Example:
    """Make what `relay send` would send, and more where a sender's body has several events."""
    made = make_example(endpoint_of(name).provider.name, "order.created")
    body = b'{"account_id":"acc_1","events":[%b,%b]}' % (made.body, made.body)
    return Example(made.id, body if name == "bank" else made.body, CASES[name][0])


def received(endpoint: Endpoint, sent: Sent) -> VerifiedDelivery:
    """Receive it as the gateway does."""
    return verify(receive(endpoint, sent))


def test_each_table_of_the_page_is_tried() -> None:
    """And nothing else."""
    assert set(TABLES) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_delivery_to_an_endpoint_of_the_page_is_verified(name: str) -> None:
    """And its events have the types that the page means."""
    endpoint = endpoint_of(name)
    _, event_type, assurance = CASES[name]
    sent = Sender(endpoint=endpoint, key=PRIVATE_KEY).send(example_of(name), NOW)

    verified = received(endpoint, sent)

    events = [found.event for found in identify_each(verified)]
    assert {event.type for event in events} == {event_type}
    assert len(events) == (2 if name == "bank" else 1)
    assert {event.assurance for event in events} == {assurance}


async def test_a_handshake_of_the_page_is_answered() -> None:
    """As it says, and only where the method and the place are right."""
    gate = endpoint_of("gate")
    asked = await Handshakes().at_head(Asked(gate, "GET", {}, "challenge=abc"))

    assert asked is not None
    assert asked.body == b"abc"
    with pytest.raises(HandshakeRefused):
        await Handshakes().at_head(Asked(gate, "GET", {}, "other=abc"))


def test_what_the_page_says_of_acme_is_what_its_table_says() -> None:
    """Signed here by nothing of ours."""
    body = example_of("acme").body
    signature = hmac.new(b"acme secret", f"{NOW}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-acme-signature": f"t={NOW},v1={signature}"}

    verified = received(
        endpoint_of("acme"), Sent(headers=headers, body=body, query="", at=NOW + 300)
    )

    (found,) = identify_each(verified)
    assert verified.signed_at == str(NOW)
    assert found.event.account == "acc_example000000000000000000001"
    assert found.event.time is not None


def test_one_body_is_one_event_where_the_page_says_so() -> None:
    """Whatever id comes with it."""
    endpoint, example = endpoint_of("shop"), example_of("shop")
    other = Example("", example.body, {"x-shop-event": "2", "x-shop-topic": "orders/other"})

    first, second = (
        next(identify_each(received(endpoint, Sender(endpoint=endpoint).send(each, NOW))))
        for each in (example, other)
    )

    assert first.identity == second.identity
    assert first.event.id != second.event.id


def test_what_the_front_page_configures_can_be_loaded() -> None:
    """With the secrets that it names."""
    (block,) = re.findall(r"```toml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    environ = {"UNIPILE_WEBHOOK_SECRET": "secret", "GITHUB_WEBHOOK_SECRET": "secret"}

    settings = Settings.load(environ, tomllib.loads(block))

    assert set(build_endpoints(settings, environ)) == {"unipile", "code"}


def test_the_front_page_does_not_count_too_many_senders() -> None:
    """More than sixty, it says."""
    assert "more than sixty kinds" in README.read_text("utf-8")
    assert len(PROVIDERS) > 60


def test_an_account_is_that_of_the_body_around_the_elements() -> None:
    """As the page says of the bank."""
    endpoint = endpoint_of("bank")

    events = identify_each(
        received(endpoint, Sender(endpoint=endpoint).send(example_of("bank"), NOW))
    )

    assert {found.event.account for found in events} == {"acc_1"}
