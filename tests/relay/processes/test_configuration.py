"""A gateway's processes are all made of what was read once."""

import socket
from pathlib import Path

import msgspec
import pytest

from relay.processes.configuration import make_gateway, read_configuration
from relay.processes.messages import Begin


def test_a_process_reads_no_file_for_the_stores_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is started again must go to the store as its neighbours do."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    (tmp_path / "relay.toml").write_text(f"[redis]\npassword = {{ file = '{secret}' }}\n")
    monkeypatch.chdir(tmp_path)
    for name in ("REDIS_URL", "RELAY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    configuration = read_configuration({})
    secret.write_text("replaced")
    (tmp_path / "relay.toml").unlink()
    with socket.socket() as listening:
        said = msgspec.json.encode(configuration.begin([listening.fileno()], "json"))
    settings, _ = make_gateway(msgspec.json.decode(said, type=Begin))

    assert settings.redis_url == "redis://:hunter2@localhost:6379/0"


def test_a_secret_that_was_not_there_is_not_there_for_any_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes by a handshake counts for all processes at once, or for none."""
    secret = tmp_path / "notion.secret"
    (tmp_path / "relay.toml").write_text(
        f"[endpoints.notion]\nprovider = 'notion'\nsecrets = [{{ file = '{secret}' }}]\n"
    )
    monkeypatch.chdir(tmp_path)
    for name in ("REDIS_URL", "RELAY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    configuration = read_configuration({})
    secret.write_text("accepted in between")
    with socket.socket() as listening:
        begin = configuration.begin([listening.fileno()], "json")
    _, gateway = make_gateway(begin)

    assert gateway.receiver.endpoints["notion"].secrets == ()


def test_a_file_is_read_once_however_often_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it to change in between, two endpoints with one secret would have two."""
    (tmp_path / "relay.toml").write_text(
        "".join(
            f"[endpoints.{name}]\nprovider = 'notion'\nsecrets = [{{ file = 'secret' }}]\n"
            for name in ("one", "two")
        )
    )
    monkeypatch.chdir(tmp_path)
    for name in ("REDIS_URL", "RELAY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    texts = iter(["the first", "the second"])
    monkeypatch.setattr("relay.processes.configuration.read_secret_file", lambda _: next(texts))
    configuration = read_configuration({})

    assert configuration.secrets == {"secret": "the first"}
    assert next(texts) == "the second"


def test_a_gateway_that_never_had_a_file_goes_on_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables say everything there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RELAY_CONFIG", raising=False)
    monkeypatch.setenv("UNIPILE_WEBHOOK_SECRET", "one")
    configuration = read_configuration({})

    configuration.refuse_emptied(read_configuration({}))
