"""A changed ``relay.toml`` is judged first, and written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from relay.commands.edit import (
    Draft,
    NotEdited,
    add_endpoint,
    check_draft,
    read_draft,
    write_draft,
)
from relay.contract.errors import ConfigurationFault
from relay.contract.explain import CommandFailed

TEXT = '# ours\nport = 8090\n[redis]\npassword = { env = "STORE_PASSWORD" }\n'
TABLE = {"provider": "github", "secrets": [{"env": "HOOK"}]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that an operator has written."""
    file = tmp_path / "relay.toml"
    file.write_text(TEXT)
    return file


def changed(directory: Path, environ: dict[str, str] | None = None) -> Draft:
    """Give the file of a directory with an endpoint more."""
    return add_endpoint(read_draft(environ or {}, directory), "hub", TABLE)


def test_the_file_keeps_its_mode_and_its_place_behind_a_link(tmp_path: Path, path: Path) -> None:
    """What the link leads to is replaced, and nothing is left beside it."""
    path.chmod(0o640)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "link.toml").symlink_to(path)
    environ = {"RELAY_CONFIG": str(tmp_path / "etc" / "link.toml")}
    write_draft(changed(tmp_path, environ), environ)

    assert (tmp_path / "etc" / "link.toml").is_symlink()
    assert path.read_text().startswith(TEXT)
    assert "[endpoints.hub]" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["etc", "relay.toml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_file_keeps_its_owner(tmp_path: Path, path: Path) -> None:
    """Though another user runs the command."""
    os.chown(path, 12_345, 12_346)
    write_draft(changed(tmp_path), {})

    assert (path.stat().st_uid, path.stat().st_gid) == (12_345, 12_346)


def test_a_file_that_was_not_there_is_made(tmp_path: Path) -> None:
    """Others may read it: it names secrets and holds none."""
    write_draft(changed(tmp_path), {})

    assert stat.S_IMODE((tmp_path / "relay.toml").stat().st_mode) == 0o644
    assert read_draft({}, tmp_path).toml["endpoints"]["hub"]["provider"] == "github"


@pytest.mark.parametrize("was_there", [True, False])
def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(
    tmp_path: Path, path: Path, was_there: bool
) -> None:
    """Between reading and writing, also where there was no file to read."""
    if not was_there:
        path.unlink()
    draft = changed(tmp_path)
    path.write_text("# theirs\n")
    with pytest.raises(CommandFailed, match="was changed while"):
        write_draft(draft, {})

    assert path.read_text() == "# theirs\n"
    assert [each.name for each in tmp_path.iterdir()] == ["relay.toml"]


def test_a_file_that_cannot_be_written_gives_the_lines(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a mount for reading only."""

    def read_only(*args: object, **kwargs: object) -> int:
        raise OSError(30, "Read-only file system")

    draft = changed(tmp_path)
    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(NotEdited, match="Read-only file system") as stopped:
        write_draft(draft, {})

    assert stopped.value.lines[0] == "[endpoints.hub]"
    assert 'secrets = [{ env = "HOOK" }]' in str(stopped.value)
    assert path.read_text() == TEXT


def test_a_writer_that_dies_half_way_leaves_the_file(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is in the old file, nor beside it."""

    def no_room(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    draft = changed(tmp_path)
    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(NotEdited, match="No space left"):
        write_draft(draft, {})

    assert path.read_text() == TEXT
    assert [each.name for each in tmp_path.iterdir()] == ["relay.toml"]


def test_secrets_that_are_not_there_yet_are_no_fault(tmp_path: Path, path: Path) -> None:
    """They come after the change, or are there for the gateway alone."""
    settings = check_draft(changed(tmp_path), {"HOOK": " "})

    assert list(settings.endpoints) == ["hub"]


def test_a_file_that_could_not_be_used_is_not_written(tmp_path: Path, path: Path) -> None:
    """All of its faults are named, also those that were there before."""
    path.write_text(f"prot = 1\n{TEXT}")
    draft = add_endpoint(read_draft({}, tmp_path), "hub", {"provider": "twilio"})
    with pytest.raises(CommandFailed) as stopped:
        write_draft(draft, {})

    assert "prot" in str(stopped.value)
    assert "endpoints.hub" in str(stopped.value)
    assert "[endpoints.hub]" not in path.read_text()


@pytest.mark.parametrize("text", [b"port = \n", b"\xff", b"a = 1\na = 2\n"])
def test_a_file_that_is_not_toml_is_not_changed(tmp_path: Path, text: bytes) -> None:
    """It says which file, and where."""
    (tmp_path / "relay.toml").write_bytes(text)
    with pytest.raises(ConfigurationFault, match="is not TOML"):
        read_draft({}, tmp_path)
