"""What ``relay dev`` says to try is right for the endpoint that it names."""

from pathlib import Path
from typing import Any

import pytest

from relay.commands.dev.gateway import Listening
from relay.commands.dev.secret import DevSecret
from relay.commands.dev.words import announce
from relay.settings import Settings

SECRET = DevSecret("a_secret", is_ours=True)
ENVIRON = {"UNIPILE_WEBHOOK_SECRET": "a_secret", "OTHER": "another_secret"}
UNIPILE = {"provider": "unipile", "secrets": [{"env": "UNIPILE_WEBHOOK_SECRET"}]}
OTHER = [{"env": "OTHER"}]


def said(capsys: pytest.CaptureFixture[str], endpoints: dict[str, Any] | None) -> str:
    """Give what is announced."""
    settings = Settings.load(ENVIRON, {} if endpoints is None else {"endpoints": endpoints})
    announce(settings, Listening(8080, 8081), Path(".relay"), 6399, SECRET)
    return capsys.readouterr().out


@pytest.mark.parametrize("endpoints", [None, {"unipile": UNIPILE, "acme": UNIPILE}])
def test_a_delivery_by_hand_is_shown_for_unipile(
    capsys: pytest.CaptureFixture[str], endpoints: dict[str, Any] | None
) -> None:
    """With the secret's file, and never with the secret."""
    text = said(capsys, endpoints)

    assert 'curl -i http://127.0.0.1:8080/webhooks/unipile -H "unipile-signature' in text
    assert "$(cat .relay/secret)" in text
    assert "a_secret" not in text


@pytest.mark.parametrize(
    "section",
    [
        {"provider": "github", "secrets": OTHER},
        {"provider": "unipile", "secrets": OTHER},
        {"provider": "none"},
    ],
)
def test_nobody_is_told_to_sign_with_what_the_endpoint_does_not_take(
    capsys: pytest.CaptureFixture[str], section: dict[str, Any]
) -> None:
    """Another sender's header or another secret would only be refused."""
    text = said(capsys, {"acme": section})

    assert "send acme" in text
    assert "as the configuration says" in text
    assert "unipile-signature" not in text
    assert ".relay/secret" not in text
