"""A sender that signs with a private key, where the package that verifies it is not installed."""

import json
import sys
from typing import Any

import pytest

from relay.app import create_app
from relay.commands.check.configuration import check_configuration
from relay.contract.errors import ConfigurationFault
from relay.settings import Settings, build_endpoints
from relay.verify.extra import MISSING

ENVIRON = {"DISCORD_PUBLIC_KEY": "00" * 32, "GITHUB_WEBHOOK_SECRET": "secret"}
GITHUB = {"provider": "github", "secrets": [{"env": "GITHUB_WEBHOOK_SECRET"}]}
NEEDING: dict[str, dict[str, Any]] = {
    "discord": {"provider": "discord", "secrets": [{"env": "DISCORD_PUBLIC_KEY"}]},
    "aws-sns": {"provider": "aws-sns", "topic_arns": ["arn:aws:sns:us-east-1:123456789012:mine"]},
    "paypal": {"provider": "paypal", "webhook_id": "5WH44510GB886442S"},
}


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it look as if the package were not there."""
    monkeypatch.delitem(sys.modules, "relay.verify.asymmetric", raising=False)
    # A part that another test has loaded would be found without the whole.
    parts = [name for name in sys.modules if name.startswith("cryptography.")]
    for name in ("cryptography", *parts):
        monkeypatch.setitem(sys.modules, name, None)


def settings(**endpoints: dict[str, Any]) -> Settings:
    """Make settings with these endpoints."""
    return Settings.load(ENVIRON, {"endpoints": endpoints})


@pytest.mark.parametrize("name", NEEDING)
def test_each_sender_that_needs_it_is_named_once(name: str, without: None) -> None:
    """With the command that mends it."""
    with pytest.raises(ConfigurationFault) as caught:
        build_endpoints(settings(**{name: NEEDING[name]}, github=GITHUB), ENVIRON)

    (fault,) = caught.value.faults
    assert fault.startswith(f"endpoints.{name}")
    assert MISSING in fault


def test_the_gateway_does_not_start(without: None) -> None:
    """All of them are named together, and not one at a time with its first delivery."""
    with pytest.raises(ConfigurationFault) as caught:
        create_app(settings(**NEEDING), ENVIRON)

    assert len(caught.value.faults) == len(NEEDING)


def test_the_check_says_so(without: None) -> None:
    """Before anything is started."""
    environ = ENVIRON | {"RELAY_ENDPOINTS": json.dumps(NEEDING)}

    findings = check_configuration(environ, None)

    assert [finding.state for finding in findings] == ["fail"] * len(NEEDING)
    assert all(MISSING in finding.found for finding in findings)


def test_who_does_not_need_it_does_without(without: None) -> None:
    """It is an extra."""
    endpoints = build_endpoints(settings(github=GITHUB), ENVIRON)

    assert set(endpoints) == {"github"}
