"""What a preset and an endpoint's table may say of handshakes."""

from pathlib import Path
from typing import Any

import pytest

from relay.contract.errors import ConfigurationFault
from relay.provider import Handshake
from relay.settings import Settings, build_endpoints

ENVIRON = {"SECRET": "signing_secret_of_the_sender_0001", "TOKEN": "verify_token"}
BY_VARIABLE = ({"env": "SECRET"},)


def table(provider: str, **more: Any) -> dict[str, Any]:
    """Give a file with one endpoint, called as its sender."""
    return {"endpoints": {provider: {"provider": provider, "secrets": BY_VARIABLE} | more}}


def faults(toml: dict[str, Any]) -> str:
    """Give the faults of settings that must not be accepted."""
    with pytest.raises(ConfigurationFault) as caught:
        build_endpoints(Settings.load(ENVIRON, toml), ENVIRON)
    return "\n".join(caught.value.faults)


def test_what_handshakes_need_reaches_the_endpoint() -> None:
    """The token as a secret, and origins without regard to case."""
    toml = table("meta", verify_token={"env": "TOKEN"})
    toml["endpoints"] |= table("cloudevents", origins=["Sender.example.com"])["endpoints"]
    found = build_endpoints(Settings.load(ENVIRON, toml), ENVIRON)
    token = found["meta"].verify_token

    assert token is not None
    assert token.reveal() == b"verify_token"
    assert "verify_token" not in repr(token)
    assert found["cloudevents"].origins == {"sender.example.com"}


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (table("slack", verify_token={"env": "TOKEN"}), "verify_token does nothing here"),
        (table("slack", origins=["example.com"]), "origins does nothing here"),
        (table("cloudevents", origins=["https://example.com"]), "a host as its sender writes it"),
        (table("meta", verify_token={"env": "NOT_SET"}), "meta.verify_token"),
        (table("notion", secrets=[{"env": "NOT_SET"}]), "NOT_SET is not set or empty"),
        (table("zoom", secrets=[{"file": "/nowhere/secret"}]), "cannot read /nowhere/secret"),
        (table("notion", secrets=[{"file": "/"}]), "/ is not a file"),
    ],
)
def test_what_cannot_be_meant_is_a_fault(toml: dict[str, Any], said: str) -> None:
    """A setting without use, or a secret that is not on its way."""
    assert said in faults(toml)


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_a_secret_that_comes_by_a_handshake_may_be_missing(
    tmp_path: Path, text: str | None
) -> None:
    """Its file too, until an operator has accepted one."""
    path = tmp_path / "notion.secret"
    if text is not None:
        path.write_text(text)
    toml = table("notion", secrets=[{"file": str(path)}])

    assert build_endpoints(Settings.load({}, toml), {})["notion"].secrets == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"place": "form.challenge"}, "is no place"),
        ({"place": "query"}, "is no place"),
        ({"place": ""}, "not every HEAD is"),
        ({"place": "", "method": "GET"}, "not every HEAD is"),
        ({"absent": "body"}, "is no place"),
        ({"guard": "token"}, "go together"),
        ({"token": "query.token"}, "go together"),
        ({"guard": "signature", "method": "GET"}, "only a POST is signed"),
        ({"then": "confirm"}, "must be signed"),
        ({"answer": {"a": "{secret}"}}, "answer knows no {secret}"),
        ({"answer": {"a": "{challenge"}}, "braces"),
    ],
)
def test_a_handshake_that_makes_no_sense_is_no_preset(changes: dict[str, Any], said: str) -> None:
    """Found when the preset is read, and not when its sender comes."""
    usual: dict[str, Any] = {"kind": "echo", "place": "query.challenge"}
    with pytest.raises(ValueError, match=said):
        Handshake(**usual | changes)
