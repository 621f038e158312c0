"""What a program finds where it is started."""

from pathlib import Path

import pytest

from relay.contract.errors import ConfigurationFault
from relay.contract.surroundings import read_config_file, with_running_dev


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    """The file is optional as long as nobody names one."""
    assert read_config_file({}, tmp_path) == {}


def test_the_file_beside_the_program_is_read(tmp_path: Path) -> None:
    """``relay.toml`` is found without being named."""
    (tmp_path / "relay.toml").write_text("port = 9000")

    assert read_config_file({}, tmp_path) == {"port": 9000}


def test_a_named_file_is_read_instead(tmp_path: Path) -> None:
    """``RELAY_CONFIG`` names another file."""
    (tmp_path / "relay.toml").write_text("port = 9000")
    (tmp_path / "other.toml").write_text("port = 9001")

    assert read_config_file({"RELAY_CONFIG": "other.toml"}, tmp_path) == {"port": 9001}


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """Who names a file wants it read."""
    with pytest.raises(ConfigurationFault, match=r"RELAY_CONFIG.*other\.toml"):
        read_config_file({"RELAY_CONFIG": "other.toml"}, tmp_path)


@pytest.mark.parametrize("content", [b"port = ", b"\xff"])
def test_what_is_no_toml_is_a_fault(tmp_path: Path, content: bytes) -> None:
    """A broken file is told by its name."""
    (tmp_path / "relay.toml").write_bytes(content)

    with pytest.raises(ConfigurationFault, match=r"relay\.toml is not TOML"):
        read_config_file({}, tmp_path)


def test_a_second_terminal_finds_a_running_dev(tmp_path: Path) -> None:
    """Store and secret of a running ``relay dev`` count where nothing else is set."""
    (tmp_path / ".relay").mkdir()
    (tmp_path / ".relay" / "redis.url").write_text("redis://found\n")
    (tmp_path / ".relay" / "secret").write_text("s\n")

    found = with_running_dev({"REDIS_URL": "redis://set"}, tmp_path)

    assert found == {"REDIS_URL": "redis://set", "UNIPILE_WEBHOOK_SECRET": "s"}
    assert with_running_dev({}, tmp_path)["REDIS_URL"] == "redis://found"


def test_nothing_is_found_where_nothing_runs(tmp_path: Path) -> None:
    """Elsewhere the environment is left as it is."""
    assert with_running_dev({"A": "b"}, tmp_path) == {"A": "b"}
