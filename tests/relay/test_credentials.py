"""Who goes to the store, as settings beside the URL say it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import consumers.settings
from relay.contract.address import read_address
from relay.contract.config import FileSettings
from relay.contract.errors import ConfigurationFault
from relay.contract.explain import redacted
from relay.settings import Settings

HIDDEN = "hunter2"
SENTINELS = "redis+sentinel://a/service"


def load(redis: dict[str, Any], **environ: str) -> FileSettings:
    """Build a gateway's settings with this table for the store."""
    return Settings.load(environ, {"redis": redis})


def faults_of(redis: dict[str, Any], **environ: str) -> list[str]:
    """Give what is wrong with this table for the store."""
    with pytest.raises(ConfigurationFault) as caught:
        load(redis, **environ)
    return list(caught.value.faults)


@pytest.mark.parametrize("program", [Settings, consumers.settings.Settings])
def test_a_password_from_a_variable_and_one_from_a_file(
    program: type[FileSettings], tmp_path: Path
) -> None:
    """Both programs know one URL that holds them, whatever their signs."""
    path = tmp_path / "secret"
    path.write_text("p@ss/w:rd %\n")
    table = {
        "url": f"{SENTINELS}/3",
        "username": "relay@home",
        "password": {"file": str(path)},
        "sentinel_username": "watcher",
        "sentinel_password": {"env": "PASSWORD"},
    }
    settings = program.load({"PASSWORD": "&=?#"}, {"redis": table})
    address = read_address(settings.redis_url)

    assert (address.username, address.password) == ("relay@home", "p@ss/w:rd %")
    assert (address.sentinel_username, address.sentinel_password) == ("watcher", "&=?#")
    assert (address.place, address.db) == ("a:26379/service", 3)


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.strip()))
def test_any_password_reaches_the_store_as_it_is(password: str) -> None:
    """No sign of it has a meaning in a URL."""
    settings = load({"password": {"env": "P"}}, P=password)

    assert read_address(settings.redis_url).password == password


def test_variables_name_them_too(tmp_path: Path) -> None:
    """As every setting can be one."""
    path = tmp_path / "secret"
    path.write_text(HIDDEN)
    environ = {"RELAY_REDIS__USERNAME": "relay", "RELAY_REDIS__PASSWORD__FILE": str(path)}

    assert Settings.load(environ, {}).redis_url == f"redis://relay:{HIDDEN}@localhost:6379/0"


def test_a_variable_says_another_place_of_a_password_than_the_file(tmp_path: Path) -> None:
    """It wins, as everywhere, though the file names a variable and it names a file."""
    path = tmp_path / "secret"
    path.write_text(HIDDEN)
    environ = {"RELAY_REDIS__PASSWORD__FILE": str(path), "P": "another"}
    settings = Settings.load(environ, {"redis": {"password": {"env": "P"}}})

    assert read_address(settings.redis_url).password == HIDDEN


def test_a_user_in_the_url_and_a_password_beside_it() -> None:
    """A name is no secret, so it may stand where the place does."""
    settings = load({"url": "redis://relay@a", "password": {"env": "P"}}, P=HIDDEN)

    assert settings.redis_url == f"redis://relay:{HIDDEN}@a:6379/0"


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"password": {"env": "NONE"}}, "redis.password: the environment variable NONE is not set"),
        ({"password": {"file": "/none"}}, "redis.password: cannot read /none: FileNotFoundError"),
        ({"password": {"file": "/dev/null"}}, "redis.password: /dev/null is not a file"),
        ({"password": {}}, "redis.password (RELAY_REDIS__PASSWORD): write { env"),
        ({"password": HIDDEN}, "redis.password (RELAY_REDIS__PASSWORD): "),
        ({"password": {"env": "BAD"}}, "redis.password: it is not text"),
        (
            {"url": f"redis://:{HIDDEN}@a", "password": {"env": "P"}},
            "redis.password: the URL says it too",
        ),
        ({"url": "redis://me@a", "username": "you"}, "redis.username: the URL says it too"),
        (
            {"url": f"{SENTINELS}?sentinel_password={HIDDEN}", "sentinel_password": {"env": "P"}},
            "redis.sentinel_password: the URL says it too",
        ),
        ({"sentinel_password": {"env": "P"}}, "redis.sentinel_password: only a URL"),
        ({"sentinel_username": "x"}, "redis.sentinel_username: only a URL"),
    ],
)
def test_what_is_wrong_with_them_is_a_fault_that_holds_none(
    table: dict[str, Any], fault: str
) -> None:
    """Found at the start, by key."""
    (found,) = faults_of(table, P=HIDDEN, BAD="\udc80")

    assert found.startswith(fault)
    assert HIDDEN not in found


def test_their_faults_come_with_all_others() -> None:
    """One start shows everything that is wrong."""
    toml = {
        "port": "x",
        "redis": {"password": {"env": "NONE"}, "sentinel_username": "x"},
        "endpoints": {"unipile": {"provider": "unipile", "secrets": [{"env": "NEITHER"}]}},
    }
    with pytest.raises(ConfigurationFault) as caught:
        Settings.load({}, toml)

    assert len(caught.value.faults) == 4


def test_a_url_that_says_who_goes_there_replaces_what_stands_below_it() -> None:
    """A production gateway's file must not keep `relay dev` from its own server."""
    toml = {"redis": {"url": "redis://a", "username": "x", "password": {"file": "/none"}}}
    environ = {"RELAY_REDIS__URL": f"redis://:{HIDDEN}@b"}

    assert Settings.load(environ, toml).redis_url == environ["RELAY_REDIS__URL"]


def test_a_url_that_says_nobody_leaves_who_goes_there() -> None:
    """The place often comes by a variable, and the password by a file."""
    toml = {"redis": {"password": {"env": "P"}}}
    environ = {"RELAY_REDIS__URL": "redis://b", "P": HIDDEN}

    assert Settings.load(environ, toml).redis_url == f"redis://:{HIDDEN}@b:6379/0"


def test_neither_settings_nor_messages_show_a_password() -> None:
    """Whichever way it came."""
    settings = load(
        {"url": SENTINELS, "password": {"env": "P"}, "sentinel_password": {"env": "P"}}, P=HIDDEN
    )
    url = settings.redis_url

    assert url.count(HIDDEN) == 2
    assert HIDDEN not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert HIDDEN not in redacted(f"cannot use {url}")
