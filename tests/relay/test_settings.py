"""Environment, file and options in; settings out, or all faults together."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from relay.contract.config import unknown_variables
from relay.contract.errors import ConfigurationFault
from relay.settings import Settings, build_endpoints

HIDDEN = "wes_do_not_show_me"
ENVIRON = {"UNIPILE_WEBHOOK_SECRET": HIDDEN}
ENDPOINT: dict[str, Any] = {"provider": "unipile", "secrets": [{"env": "UNIPILE_WEBHOOK_SECRET"}]}
FILE: dict[str, Any] = {"endpoints": {"unipile": ENDPOINT}}


def faults(
    environ: Mapping[str, str], toml: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> list[str]:
    """Give the faults of settings that must not be accepted."""
    with pytest.raises(ConfigurationFault) as caught:
        build_endpoints(Settings.load(environ, toml, options), environ)
    return list(caught.value.faults)


def endpoint(**changes: Any) -> dict[str, Any]:
    """Give a file with one endpoint, some of its settings changed."""
    return {"endpoints": {"unipile": ENDPOINT | changes}}


def test_the_secret_alone_gives_the_endpoint() -> None:
    """Without a file, one variable is all that is needed."""
    settings = Settings.load(ENVIRON, {})
    endpoints = build_endpoints(settings, ENVIRON)

    assert list(endpoints) == ["unipile"]
    assert [secret.reveal() for secret in endpoints["unipile"].secrets] == [HIDDEN.encode()]


def test_nothing_at_all_is_no_fault() -> None:
    """The gateway can start without an endpoint; defaults keep it on loopback."""
    settings = Settings.load({}, {})

    assert settings.endpoints == {}
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert (settings.admin_host, settings.admin_port) == ("127.0.0.1", 8081)
    assert settings.redis_url == "redis://localhost:6379/0"
    assert settings.max_body_bytes == 10 * 1024 * 1024
    assert settings.body_budget_bytes == 256 * 1024 * 1024


def test_an_endpoint_is_as_the_file_says() -> None:
    """Every setting of an endpoint reaches the endpoint."""
    toml = endpoint(
        tolerance_seconds=60,
        late_tolerance_seconds=120,
        window_seconds=3600,
        partitions=4,
        max_types=7,
        changed_body="store",
        accounts=["acc_1"],
        event_types=["unipile:message.*"],
    )
    found = build_endpoints(Settings.load(ENVIRON, toml), ENVIRON)["unipile"]

    assert (found.tolerance_seconds, found.late_tolerance_seconds) == (60, 120)
    assert (found.window_seconds, found.partitions, found.max_types) == (3600, 4, 7)
    assert found.changed_body == "store"
    assert found.accounts == {"acc_1"}
    assert [str(pattern) for pattern in found.event_types] == ["unipile:message.*"]


def test_all_faults_are_told_together() -> None:
    """One start shows everything that is wrong: keys, values, names, secrets."""
    toml = {
        "port": 70_000,
        "colour": "blue",
        "groups": {"crm": ["no colon"], "Bad Name": []},
        "redis": {"url": "http://x"},
        "endpoints": {
            "unipile": ENDPOINT | {"tolerance_second": 5},
            "other": {"provider": "unipile", "secrets": [{"env": "OTHER_SECRET"}]},
            "third": {"provider": "nobody", "secrets": [{"env": "UNIPILE_WEBHOOK_SECRET"}]},
            "fourth": {"provider": "github", "secrets": []},
        },
    }

    found = "\n".join(faults(ENVIRON, toml))

    for setting in (
        "port (RELAY_PORT)",
        "colour (RELAY_COLOUR)",
        "groups.crm.0 ",
        "groups.Bad Name ",
        "redis.url (RELAY_REDIS__URL)",
        "endpoints.unipile.tolerance_second ",
        "endpoints.other.secrets[0]: the environment variable OTHER_SECRET",
        "endpoints.third.provider ",
        "endpoints.fourth ",
    ):
        assert setting in found


@pytest.mark.parametrize("environ", [{}, {"UNIPILE_WEBHOOK_SECRET": ""}])
def test_a_secret_that_is_not_set_is_a_fault(environ: dict[str, str]) -> None:
    """A named variable without a value is told by its name."""
    (fault,) = faults(environ, FILE)

    assert "endpoints.unipile.secrets[0]" in fault
    assert "UNIPILE_WEBHOOK_SECRET" in fault


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ({"unknown": 1}, "unknown"),
        ({"redis": {"unknown": 1}}, "redis.unknown"),
        (endpoint(unknown=1), "endpoints.unipile.unknown"),
        (endpoint(secrets=[{"env": "UNIPILE_WEBHOOK_SECRET", "unknown": 1}]), "secrets.0.unknown"),
    ],
)
def test_an_unknown_key_is_a_fault(toml: dict[str, Any], named: str) -> None:
    """A misspelt key is not passed over."""
    (fault,) = faults(ENVIRON, toml)

    assert named in fault
    assert "misspelling" in fault


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        (endpoint(secrets=[{}]), "secrets.0"),
        (endpoint(secrets=[{"env": "UNIPILE_WEBHOOK_SECRET", "file": "/x"}]), "secrets.0"),
        (endpoint(secrets=[HIDDEN]), "secrets.0"),
        (endpoint(secrets=HIDDEN), "secrets"),
        (endpoint(tolerance_seconds=0), "tolerance_seconds"),
        (endpoint(tolerance_seconds=HIDDEN), "tolerance_seconds"),
        (endpoint(partitions=0), "partitions"),
        (endpoint(max_types=0), "max_types"),
        (endpoint(changed_body="keep"), "changed_body"),
        (endpoint(events_per_second=0), "events_per_second"),
        (endpoint(events_per_second=float("inf")), "events_per_second"),
        (endpoint(event_types=["message.new"]), "event_types.0"),
        (endpoint(window_seconds=600, late_tolerance_seconds=1), "window_seconds must be"),
        ({"endpoints": {"Uni Pile": ENDPOINT}}, "Uni Pile"),
        ({"endpoints": "x"}, "endpoints"),
        ({"endpoints": {"unipile": 1}}, "endpoints.unipile"),
        ({"prefix": "a:b"}, "prefix"),
        ({"redis": HIDDEN}, "redis"),
        ({"redis": {"url": HIDDEN}}, "redis.url"),
        ({"max_body_bytes": 2**21, "body_budget_bytes": 2**20}, "body_budget_bytes"),
        ({"append_deadline_seconds": 0}, "append_deadline_seconds"),
        ({"durability": "replicated"}, "replicated:N"),
        ({"durability": "replicated:0"}, "replicated:N"),
        ({"durability": "replicated:10"}, "replicated:N"),
        ({"durability": "replicated:1\n"}, "replicated:N"),
        ({"durability": 1}, "durability"),
        ({"spool": {"directory": ""}}, "spool.directory"),
        ({"spool": {"directory": "a\0b"}}, "spool.directory"),
    ],
)
def test_wrong_values_are_named_and_never_repeated(toml: dict[str, Any], named: str) -> None:
    """A fault says which setting it is about; the value may be a secret and stays out."""
    found = "\n".join(faults(ENVIRON, toml))

    assert named in found
    assert HIDDEN not in found


def test_a_signature_is_remembered_as_long_as_it_is_good() -> None:
    """A window of exactly both tolerances is the shortest that is allowed."""
    toml = endpoint(window_seconds=601, late_tolerance_seconds=1)

    assert Settings.load(ENVIRON, toml).endpoints["unipile"].window_seconds == 601


def test_durability_says_how_many_replicas_must_have_an_event() -> None:
    """None by default: there are none on most machines."""
    replicated = Settings.load({"RELAY_DURABILITY": "replicated:2"}, {"durability": "local"})

    assert Settings.load({}, {}).replicas == 0
    assert replicated.replicas == 2


def test_the_environment_wins_over_the_file() -> None:
    """A variable replaces the one setting that it names and leaves its neighbours."""
    toml = endpoint(tolerance_seconds=60, partitions=2) | {"port": 9000, "host": "0.0.0.0"}
    environ = ENVIRON | {"RELAY_PORT": "9001", "RELAY_ENDPOINTS__UNIPILE__TOLERANCE_SECONDS": "90"}

    settings = Settings.load(environ, toml)

    assert (settings.port, settings.host) == (9001, "0.0.0.0")
    assert settings.endpoints["unipile"].tolerance_seconds == 90
    assert settings.endpoints["unipile"].partitions == 2


def test_an_empty_table_in_the_environment_takes_nothing_from_the_file() -> None:
    """It says nothing of what the file says."""
    settings = Settings.load({"RELAY_SPOOL": "{}"}, {"spool": {"max_bytes": 2**30 + 1}})

    assert settings.spool.max_bytes == 2**30 + 1


def test_options_win_over_the_environment() -> None:
    """What the command line says counts most."""
    environ = {"RELAY_PORT": "9001", "RELAY_REDIS__URL": "redis://env/0", "REDIS_URL": "redis://x"}
    options = {"port": 9002, "redis": {"url": "redis://option/0"}}

    settings = Settings.load(environ, {"port": 9000, "redis": {"url": "redis://file/0"}}, options)

    assert settings.port == 9002
    assert settings.redis_url == "redis://option/0"


@pytest.mark.parametrize(
    ("environ", "toml", "url"),
    [
        ({"REDIS_URL": "redis://a/0"}, {}, "redis://a/0"),
        ({"REDIS_URL": ""}, {}, "redis://localhost:6379/0"),
        ({"REDIS_URL": "redis://a/0"}, {"redis": {"url": "redis://b/0"}}, "redis://b/0"),
        ({"REDIS_URL": "redis://a/0", "RELAY_REDIS__URL": "redis://c/0"}, {}, "redis://c/0"),
    ],
)
def test_redis_url_counts_where_nothing_else_is_set(
    environ: dict[str, str], toml: dict[str, Any], url: str
) -> None:
    """The variable that many platforms set is the last to be asked."""
    assert Settings.load(environ, toml).redis_url == url


def test_what_kubernetes_injects_is_ignored() -> None:
    """A service called ``relay`` beside the gateway does not break its start."""
    environ = ENVIRON | {
        "RELAY_PORT": "tcp://10.0.0.7:8080",
        "RELAY_PORT_8080_TCP": "tcp://10.0.0.7:8080",
        "RELAY_PORT_8080_TCP_ADDR": "10.0.0.7",
        "RELAY_SERVICE_HOST": "10.0.0.7",
        "RELAY_SERVICE_PORT": "8080",
        "RELAY_REDIS_SERVICE_PORT_HTTP": "6379",
        "RELAY_ADMIN_PORT": "tcp://10.0.0.7:8081",
    }
    settings = Settings.load(environ, {})

    assert (settings.port, settings.admin_port) == (8080, 8081)
    assert unknown_variables(Settings, environ) == []


def test_a_variable_that_sets_nothing_is_named() -> None:
    """It is misspelt most likely; it may be somebody else's too, so that it is no fault."""
    environ = ENVIRON | {
        "RELAY_CONFIG": "relay.toml",
        "RELAY_PORT": "9000",
        "RELAY_REDIS__URL": "redis://localhost",
        "RELAY_ENDPOINTS__A__PROVIDER": "unipile",
        "RELAY_PROT": "9001",
        "RELAY_REDIS_URL": "redis://localhost",
        "RELAY_PORT__X": "1",
        "relay_host": "127.0.0.1",
        "relay_hots": "127.0.0.1",
        "relay_config": "relay.toml",
    }
    misspelt = ["RELAY_PORT__X", "RELAY_PROT", "RELAY_REDIS_URL", "relay_config", "relay_hots"]

    assert unknown_variables(Settings, environ) == misspelt


def test_a_port_of_our_own_is_still_read() -> None:
    """Ignoring what Kubernetes injects does not ignore the setting of the same name."""
    assert Settings.load({"RELAY_PORT": "9001"}, {}).port == 9001


def test_secrets_in_a_variable_are_references_too() -> None:
    """A list in the environment is JSON and names secrets as the file does."""
    environ = ENVIRON | {
        "RELAY_ENDPOINTS__UNIPILE__PROVIDER": "unipile",
        "RELAY_ENDPOINTS__UNIPILE__SECRETS": '[{"env":"UNIPILE_WEBHOOK_SECRET"}]',
    }
    endpoints = build_endpoints(Settings.load(environ, {}), environ)

    assert endpoints["unipile"].secrets[0].reveal() == HIDDEN.encode()


def test_a_variable_that_is_no_json_is_a_fault() -> None:
    """A broken list in the environment is told without its value."""
    found = faults(ENVIRON | {"RELAY_ENDPOINTS": f"[{HIDDEN}"}, {})

    assert HIDDEN not in "\n".join(found)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_the_newline_at_the_end_of_a_secret_file_is_no_part_of_it(tmp_path: Path, end: str) -> None:
    """What an editor adds is taken away; blanks of the secret's own are kept."""
    path = tmp_path / "secret"
    path.write_bytes(f" {HIDDEN} {end}".encode())
    toml = endpoint(secrets=[{"file": str(path)}])

    (secret,) = build_endpoints(Settings.load({}, toml), {})["unipile"].secrets

    assert secret.reveal() == f" {HIDDEN} ".encode()


def test_all_secret_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """Missing, empty and unreadable secret files are named together, without their content."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    names = ("missing", "empty", "binary")
    toml = endpoint(secrets=[{"file": str(tmp_path / name)} for name in names])

    found = faults({}, toml)

    assert len(found) == 3
    for number, name in enumerate(names):
        assert f"endpoints.unipile.secrets[{number}]" in found[number]
        assert name in found[number]


def test_rotation_is_a_list() -> None:
    """Several secrets are all active, in the file's order."""
    environ = {"OLD": "old", "NEW": "new"}
    toml = endpoint(secrets=[{"env": "NEW"}, {"env": "OLD"}])

    found = build_endpoints(Settings.load(environ, toml), environ)["unipile"].secrets

    assert [secret.reveal() for secret in found] == [b"new", b"old"]


def test_nothing_secret_is_shown() -> None:
    """Settings and endpoints can be printed; neither secret nor the store's password shows."""
    environ = ENVIRON | {"REDIS_URL": f"redis://:{HIDDEN}@localhost/0"}
    settings = Settings.load(environ, FILE)
    endpoints = build_endpoints(settings, environ)

    assert HIDDEN in settings.redis_url
    assert HIDDEN not in f"{settings!r} {settings} {endpoints!r} {settings.model_dump_json()}"


def test_settings_cannot_be_changed() -> None:
    """What was checked at the start stays as it was checked."""
    settings = Settings.load({}, {})

    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


@pytest.mark.parametrize("key", ["host", "admin_host"])
@pytest.mark.parametrize("host", ["", " ", "..", " 127.0.0.1", "x" * 300])
def test_a_host_that_is_none_is_a_fault(key: str, host: str) -> None:
    """An empty one would listen on every address of the machine."""
    with pytest.raises(ConfigurationFault, match="means every address") as caught:
        Settings.load({}, {key: host})

    assert key in str(caught.value)


@pytest.mark.parametrize(
    "query", ["decode_responses=true", "protocol=3", "encoding=x", "socket_timeout=", "retry=1"]
)
def test_options_in_the_url_that_would_undo_ours_are_a_fault(query: str) -> None:
    """redis-py takes any of its settings from there."""
    with pytest.raises(ConfigurationFault, match="no options but db and ssl_"):
        Settings.load({}, {"redis": {"url": f"redis://127.0.0.1/0?{query}"}})


def test_a_secret_of_blanks_is_a_fault() -> None:
    """It is a variable that somebody forgot to fill in."""
    with pytest.raises(ConfigurationFault, match="not set or empty"):
        Settings.load({"S": "  "}, {"endpoints": {"unipile": endpoint_with({"env": "S"})}})


def test_a_secret_file_that_is_no_file_is_a_fault(tmp_path: Path) -> None:
    """Reading a pipe would wait for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    settings = Settings.load({}, {"endpoints": {"unipile": endpoint_with({"file": str(pipe)})}})

    with pytest.raises(ConfigurationFault, match="is not a file"):
        build_endpoints(settings, {})


def endpoint_with(secret: dict[str, str]) -> dict[str, object]:
    """Give the table of an endpoint with one secret."""
    return {"provider": "unipile", "secrets": [secret]}


def test_variables_change_the_endpoint_that_the_secret_alone_gives() -> None:
    """No file is needed to widen the tolerance."""
    environ = {"UNIPILE_WEBHOOK_SECRET": "s", "RELAY_ENDPOINTS__UNIPILE__TOLERANCE_SECONDS": "600"}
    settings = Settings.load(environ, {})

    assert settings.endpoints["unipile"].tolerance_seconds == 600


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"secrets": "whsec_dG9wc2VjcmV0"}, "a list, in square brackets"),
        ({"secrets": ["whsec_dG9wc2VjcmV0"]}, "the secret itself does not belong here"),
        ({"secrets": [{"env": "whsec_dG9wc2VjcmV0"}]}, "env takes its name"),
        ({"secrets": [{"value": "whsec_dG9wc2VjcmV0"}]}, "there is no such setting"),
        ({"secrets": [{"file": "whsec_dG9wc2VjcmV0"}]}, "what file names (it takes a path)"),
        ({"secrets": [{"file": 20 * "whsec_dG9wc2VjcmV0"}]}, "what file names (it takes a path)"),
        ({"provider": "token", "token": {"place": "dG9wc2VjcmV0"}}, "is no place of a token"),
    ],
)
def test_a_secret_in_the_configuration_is_a_fault_that_does_not_show_it(
    table: dict[str, Any], said: str
) -> None:
    """Whoever pastes one in is told what belongs there instead."""
    text = "\n".join(faults({}, {"endpoints": {"acme": {"provider": "svix"} | table}}))

    assert said in text
    assert "dG9wc2VjcmV0" not in text
