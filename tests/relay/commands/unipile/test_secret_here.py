"""Keeping a secret beside others who change the same files, and where it cannot be kept."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from relay.commands.unipile.secret_here import keeping
from relay.handshake.secret_file import put_secret
from relay.unipile.stand_in import StandIn
from tests.relay.commands.unipile.asked import (
    HOOK,
    OLD,
    Ask,
    ask,
    configured,
    secrets_of,
    unipile,
)

__all__ = ["ask", "configured", "unipile"]

CREATE = ["create", "--url", HOOK]


# Somebody else at the same time.


@pytest.mark.parametrize("is_configured", [False, True])
def test_a_secret_that_another_terminal_has_kept_counts_as_kept(
    ask: Ask,
    unipile: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    is_configured: bool,
) -> None:
    """Both have looked for a left-over file before either wrote one: nothing is taken back."""
    if is_configured:
        request.getfixturevalue("configured")
    written = "relay.commands.secrets.keep.put_secret"

    def after_another(text: str, paths: Sequence[Path], *, replace: bool) -> None:
        monkeypatch.setattr(written, put_secret)
        keeping("unipile", os.environ).keep(text)
        put_secret(text, paths, replace=replace)

    monkeypatch.setattr(written, after_another)
    done = ask(*CREATE)
    (made,) = unipile.endpoints.values()

    assert done.exit_code == 0, done.output
    assert secrets_of(tmp_path) == [made.secret, *([OLD] if is_configured else [])]
    (file,) = tmp_path.glob("unipile-*.secret")
    assert f"Its secret is in {file}," in done.stdout
