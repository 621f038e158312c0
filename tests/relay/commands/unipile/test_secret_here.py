"""Keeping a secret beside others who change the same files, and where it cannot be kept."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from relay.commands.unipile.registering.keepers import KeptElsewhere
from relay.commands.unipile.secret_file import SecretFile
from relay.commands.unipile.secret_here import keeping
from relay.contract.explain import CommandFailed
from relay.handshake.secret_file import put_secret
from relay.unipile.stand_in import StandIn
from tests.relay.commands.unipile.asked import (
    HOOK,
    OLD,
    Ask,
    ask,
    configured,
    secrets_of,
    state_of,
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


def test_another_edit_meanwhile_is_the_cause_that_is_said(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable is to blame, and the secret of the other one stays."""
    monkeypatch.chdir(configured.parent)
    first, second = keeping("unipile", os.environ), keeping("unipile", os.environ)
    first.keep("wes_first_secret_000000000000000000000")
    with pytest.raises(CommandFailed, match="was changed while this command ran") as failed:
        second.keep("wes_second_secret_00000000000000000000")

    assert "RELAY_ENDPOINTS" not in str(failed.value)
    assert secrets_of(configured.parent) == ["wes_first_secret_000000000000000000000", OLD]


# Where it cannot be kept.


def test_a_file_that_only_a_person_can_write_is_left_to_one(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is mounted alone cannot be replaced; no advice names what is deleted again."""

    def busy(*_: object) -> None:
        raise OSError(16, "Device or resource busy")

    before = state_of(unipile, tmp_path)
    monkeypatch.setattr("relay.commands.edit.write._replace", busy)
    done = ask(*CREATE)

    assert done.exit_code == 1
    assert "relay.toml cannot be written: Device or resource busy. The endpoint" in done.stderr
    assert "--no-keep --secret-file" in done.stderr
    assert ".secret" not in done.stderr.replace("--secret-file", "")
    assert state_of(unipile, tmp_path) == before


def test_the_directory_that_a_link_leads_to_is_judged_first(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there that the file is replaced; nothing is made at Unipile."""
    there = tmp_path / "there"
    there.mkdir()
    configured.rename(there / "ours.toml")
    configured.symlink_to(there / "ours.toml")
    unipile.fail_next("*", "*", 500)
    # Whoever runs the tests may be somebody who can write everywhere.
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != there)
    done = ask(*CREATE)

    assert (done.exit_code, unipile.faults_waiting) == (1, 1)
    assert f"{there} cannot be written to" in done.stderr


def test_a_file_in_a_form_that_cannot_be_changed_is_said_without_a_file_of_ours(
    ask: Ask, unipile: StandIn, configured: Path
) -> None:
    """There is none yet."""
    secrets = '[{ file = "old.secret" }]'
    configured.write_text(
        f'endpoints = {{ unipile = {{ provider = "unipile", secrets = {secrets} }} }}\n'
    )
    done = ask(*CREATE, "--name", "crm")

    assert done.exit_code == 2
    assert "Write each endpoint in a table of its own, [endpoints.NAME]" in done.stderr
    assert ".secret" not in done.stderr


def test_no_name_of_a_file_is_taken_for_a_trial(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path
) -> None:
    """A secret may be in a file of any name."""
    new = tmp_path / "new.secret"
    (tmp_path / "old.secret").rename(new)
    configured.write_text(configured.read_text().replace("old.secret", str(new)))

    assert ask(*CREATE).exit_code == 0
    assert secrets_of(tmp_path)[1:] == [OLD]


@pytest.mark.parametrize("text", ["", " wes_1", "wes\n1"])
def test_what_is_no_secret_is_kept_for_no_relay_elsewhere(text: str, tmp_path: Path) -> None:
    """It is judged as for one here, and there is no file."""
    keeper = KeptElsewhere("unipile", SecretFile(tmp_path / "to-go"))
    with pytest.raises(CommandFailed, match="cannot be used"):
        keeper.keep(text)

    assert list(tmp_path.iterdir()) == []
