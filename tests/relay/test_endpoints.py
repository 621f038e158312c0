"""``[endpoints.<name>]``: what each kind of sender needs, and what an endpoint may say itself."""

from pathlib import Path
from typing import Any

import pytest

from relay.contract.errors import ConfigurationFault
from relay.endpoint import Endpoint
from relay.providers import PROVIDERS
from relay.settings import Settings, build_endpoints
from relay.verify import sign_for, verify
from tests.issuing import issue
from tests.making import NOW, make_delivery

ENVIRON = {"SECRET": "whsec_c2VjcmV0", "OTHER": "no colon in it", "KEY": "not a key"}
SECRETS = [{"env": "SECRET"}]
SIGNATURE: dict[str, Any] = {"header": "x-acme-signature", "signed": "{timestamp}.{body}",
    "timestamp": {"source": "header.x-acme-time"}}  # fmt: skip
NO_TOLERANCE = {"source": "header.x-acme-time", "tolerance_seconds": 0}
TOPIC = "arn:aws:sns:eu-central-1:123456789012:orders"


def endpoint_of(files: dict[str, str] | None = None, **table: Any) -> Endpoint:
    """Read one endpoint's table."""

    def read_file(path: Path) -> str:
        return (files or {})[str(path)]

    settings = Settings.load(ENVIRON, {"endpoints": {"acme": table}}, read_file=read_file)
    return build_endpoints(settings, ENVIRON, read_file)["acme"]


def fault_of(**table: Any) -> str:
    """Give what is wrong with a table."""
    with pytest.raises(ConfigurationFault) as caught:
        endpoint_of(**table)
    (only,) = caught.value.faults
    return only


def test_a_sender_without_a_preset_is_described_by_its_fields() -> None:
    """Deliveries are verified by them, and events found where the table says."""
    endpoint = endpoint_of(
        provider="hmac",
        secrets=SECRETS,
        signature=SIGNATURE,
        event={"id": "{body.event.id}", "type": ["{body.kind}", "{header.x-kind}"]},
        headers=["x-kind"],
    )
    body = b'{"event":{"id":"1"},"kind":"made"}'
    headers = sign_for(endpoint, body, NOW)

    verified = verify(make_delivery(body, headers, endpoint=endpoint))

    assert set(headers) == {"x-acme-signature", "x-acme-time"}
    assert verified.assurance == "body"
    assert endpoint.provider.headers == ("x-kind",)


def test_what_an_endpoint_says_counts_also_where_it_is_the_usual() -> None:
    """A preset that has it otherwise is overruled by the value that is the default elsewhere."""
    said = {"window_without_id_seconds": 600, "bodies_differ": False, "split": [], "account": ""}
    dropbox = endpoint_of(provider="dropbox", secrets=SECRETS, event=said).provider.event
    zoom = endpoint_of(provider="zoom", secrets=SECRETS, event=said).provider.event
    meta = endpoint_of(provider="meta", secrets=SECRETS, event=said).provider.event

    assert dropbox.window_without_id_seconds == 600
    assert not zoom.bodies_differ
    assert zoom.account == ""
    assert meta.split == ()
    assert meta.type == PROVIDERS["meta"].event.type


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"event": {"window_without_id_seconds": -1}}, "is 0 to 2678400"),
        ({"event": {"window_without_id_seconds": 10**12}}, "is 0 to 2678400"),
        ({"signature": SIGNATURE | {"timestamp": NO_TOLERANCE}}, "is 1 to 86400"),
    ],
)
def test_a_number_in_a_table_has_its_bounds(table: dict[str, Any], said: str) -> None:
    """As the same number has in the endpoint's own settings."""
    usual = {"provider": "hmac", "secrets": SECRETS, "signature": SIGNATURE}

    assert said in fault_of(**usual | table)


def test_an_endpoint_may_say_where_its_events_values_stand() -> None:
    """What it does not say is the preset's."""
    endpoint = endpoint_of(
        provider="github", secrets=SECRETS, event={"account": "{body.organization.login}"}
    )
    preset = PROVIDERS["github"]

    assert endpoint.provider.event.account == "{body.organization.login}"
    assert endpoint.provider.event.id == preset.event.id
    assert endpoint.provider.scheme is preset.scheme
    assert endpoint_of(provider="github", secrets=SECRETS).provider is preset


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"provider": "nobody"}, "is none of"),
        ({"provider": "stripe"}, "secrets is missing: the signing secret"),
        ({"provider": "hmac", "secrets": SECRETS}, "a table `signature` go together"),
        ({"provider": "stripe", "secrets": SECRETS, "signature": SIGNATURE}, "go together"),
        ({"provider": "token", "secrets": SECRETS}, "a table `token` go together"),
        (
            {"provider": "token", "secrets": SECRETS, "token": {"place": "cookie.x"}},
            "is no place of a token",
        ),
        (
            {"provider": "token", "secrets": SECRETS, "token": {"place": "header."}},
            "no header's name",
        ),
        ({"provider": "paypal", "webhook_id": ""}, "the webhook's id at PayPal"),
        (
            {"provider": "hmac", "secrets": SECRETS, "signature": {"header": []}},
            "header names none",
        ),
        (
            {
                "provider": "hmac",
                "secrets": SECRETS,
                "signature": SIGNATURE
                | {"timestamp": {"source": "header.x-time", "tolerance_seconds": -5}},
            },
            "tolerance_seconds is 1 to",
        ),
        (
            {"provider": "github", "secrets": SECRETS, "headers": ["authorization"]},
            "holds credentials",
        ),
        ({"provider": "github", "secrets": SECRETS, "headers": ["x y"]}, "no header's name"),
        ({"provider": "none", "secrets": SECRETS}, "secrets[0]: this endpoint takes everything"),
        ({"provider": "basic", "secrets": [{"env": "OTHER"}]}, "the secret is user:password"),
        (
            {
                "provider": "hmac",
                "secrets": SECRETS,
                "signature": SIGNATURE | {"signed": "{url}{timestamp}"},
            },
            "public_url must say what it is",
        ),
        (
            {
                "provider": "hmac",
                "secrets": SECRETS,
                "signature": SIGNATURE
                | {"timestamp": {"source": "field.ts"}, "split": {"signature": "v1"}},
            },
            "split.timestamp must be 'ts'",
        ),
        (
            {"provider": "hmac", "secrets": SECRETS, "signature": SIGNATURE | {"signed": "{body}"}},
            "signed does not cover it",
        ),
        (
            {"provider": "hmac", "secrets": SECRETS, "signature": SIGNATURE | {"signed": "v1"}},
            "signed covers nothing",
        ),
        (
            {"provider": "hmac", "secrets": SECRETS, "signature": SIGNATURE | {"signed": "{host}"}},
            "signed knows no {host}",
        ),
        (
            {
                "provider": "hmac",
                "secrets": SECRETS,
                "signature": SIGNATURE | {"encoding": "rot13"},
            },
            "encoding",
        ),
        (
            {"provider": "hmac", "secrets": SECRETS, "signature": SIGNATURE | {"heather": "x"}},
            "heather",
        ),
        (
            {
                "provider": "hmac",
                "secrets": [{"env": "KEY"}],
                "signature": SIGNATURE | {"key": {"form": "base64"}},
            },
            "secrets[0]: the secret is not base64",
        ),
        (
            {
                "provider": "hmac",
                "secrets": [{"env": "KEY"}],
                "signature": SIGNATURE | {"algorithm": "ed25519", "key": {"form": "hex"}},
            },
            "secrets[0]: the secret is no public key for ed25519, as hex",
        ),
        (
            {"provider": "stripe", "secrets": SECRETS, "public_url": "https://h/x?a=1"},
            "without ? and what follows",
        ),
        (
            {"provider": "stripe", "secrets": SECRETS, "topic_arns": [TOPIC]},
            "topic_arns and an endpoint of aws-sns go together",
        ),
        (
            {
                "provider": "hmac",
                "secrets": SECRETS,
                "signature": SIGNATURE,
                "handshakes": [
                    {
                        "kind": "json",
                        "method": "GET",
                        "place": "query.token",
                        "answer": {"answer": "{hmac-hex}"},
                    }
                ],
            },
            "would sign what anyone asks for",
        ),
        (
            {
                "provider": "hmac",
                "secrets": SECRETS,
                "signature": SIGNATURE,
                "handshakes": [
                    {
                        "kind": "empty",
                        "place": "body.Type",
                        "guard": "signature",
                        "then": "confirm",
                    }
                ],
            },
            'then = "confirm" is for the preset aws-sns',
        ),
        (
            {"provider": "stripe", "secrets": SECRETS, "certificate_file": "/c.pem"},
            "are for aws-sns and paypal",
        ),
        (
            {"provider": "stripe", "secrets": SECRETS, "event": {"id": "{cookie.x}"}},
            "{cookie.x} is no place",
        ),
        (
            {
                "provider": "stripe",
                "secrets": SECRETS,
                "replay": "strict",
                "event": {"window_without_id_seconds": 0},
            },
            "would drop events",
        ),
    ],
)
def test_what_a_sender_cannot_do_without_is_a_fault(table: dict[str, Any], fault: str) -> None:
    """It is said at the start, with what to do, and no secret is shown."""
    found = fault_of(**table)

    assert found.startswith("endpoints.acme")
    assert fault in found
    assert not any(secret in found for secret in ENVIRON.values())


@pytest.mark.parametrize(
    ("provider", "secret", "fault"),
    [
        ("standard-webhooks", "whsec_", "the secret has nothing behind whsec_"),
        ("basic", ":", "the secret is user:password"),
    ],
)
def test_a_secret_that_everyone_has_is_a_fault(provider: str, secret: str, fault: str) -> None:
    """With an empty key anyone signs, and no delivery would tell that it was somebody else."""
    with pytest.raises(ConfigurationFault, match=fault):
        endpoint_of({"/s": secret}, provider=provider, secrets=[{"file": "/s"}])


def test_a_certificate_by_file_is_read_with_the_secrets() -> None:
    """Whether it is one is seen at the start."""
    pem = issue("sns.amazonaws.com").pem.decode()
    scheme = {"provider": "hmac", "secrets": SECRETS, "signature": SIGNATURE}

    with pytest.raises(ConfigurationFault, match="are for aws-sns and paypal"):
        endpoint_of({"/c.pem": pem}, certificate_file="/c.pem", **scheme)


@pytest.mark.parametrize(
    ("table", "seconds"),
    [
        ({"provider": "stripe"}, 300),
        ({"provider": "stripe", "tolerance_seconds": 20}, 20),
        (
            {
                "provider": "hmac",
                "signature": SIGNATURE
                | {"timestamp": {"source": "header.x-acme-time", "tolerance_seconds": 5}},
            },
            5,
        ),
    ],
)
def test_the_tolerance_is_the_senders_unless_the_endpoint_says_otherwise(
    table: dict[str, Any], seconds: int
) -> None:
    """Senders differ in whether they sign the attempt's time."""
    assert endpoint_of(secrets=SECRETS, **table).tolerance_seconds == seconds
