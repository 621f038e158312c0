"""What docker-compose.yml, the Dockerfile and .env.example promise, without any engine."""

import itertools
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from relay.contract.config import WorkerSection
from relay.settings import Settings

ROOT = Path(__file__).parents[1]
COMPOSE_FILE = ROOT / "docker-compose.yml"
# ${NAME}, ${NAME:-default} and ${NAME:?message}.
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Give the compose file as parsed, anchors and merges resolved."""
    loaded: dict[str, Any] = YAML(typ="safe").load(COMPOSE_FILE)
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the services by name."""
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


@pytest.fixture(scope="module")
def redis_options(services: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Give redis-server's options by name, without their dashes."""
    program, *words = services["redis"]["command"]
    assert program == "redis-server"
    return {
        name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)
    }


def seconds(duration: str) -> int:
    """Read a duration that is written in seconds only."""
    match = re.fullmatch(r"(\d+)s", duration)
    assert match, f"{duration!r} is not in whole seconds"
    return int(match[1])


# --- the file as a whole


def test_the_compose_file_follows_the_compose_schema() -> None:
    """The schema that check-jsonschema carries knows every key and its type."""
    command = [sys.executable, "-m", "check_jsonschema"]
    arguments = ["--builtin-schema", "vendor.compose-spec", str(COMPOSE_FILE)]

    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_the_store_the_gateway_and_a_worker(
    services: dict[str, dict[str, Any]],
) -> None:
    """Nothing else is needed, and nothing else is started."""
    assert set(services) == {"redis", "relay", "worker"}


def test_every_service_comes_back_after_a_crash(services: dict[str, dict[str, Any]]) -> None:
    """A stop on purpose stays a stop."""
    assert {service["restart"] for service in services.values()} == {"unless-stopped"}


def test_no_service_has_a_host_directory_or_extra_rights(
    services: dict[str, dict[str, Any]],
) -> None:
    """Our programs drop every capability, and no service gets the host's files."""
    for service in (services["relay"], services["worker"]):
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]

    for service in services.values():
        assert not service.get("privileged")
        assert not [mount for mount in service.get("volumes", []) if mount.startswith((".", "/"))]


# --- Redis


def test_redis_flushes_every_write_to_its_log_before_confirming_it(
    redis_options: dict[str, str],
) -> None:
    """A 200 is promised to survive a power cut; snapshots alone would not keep that."""
    assert redis_options["appendonly"] == "yes"
    assert redis_options["appendfsync"] == "always"
    assert redis_options["save"] == ""


def test_redis_refuses_when_full_and_never_evicts(redis_options: dict[str, str]) -> None:
    """Eviction would silently delete events that a sender was told are stored."""
    assert redis_options["maxmemory-policy"] == "noeviction"


def test_redis_has_a_memory_limit_even_where_nothing_is_set(
    redis_options: dict[str, str],
) -> None:
    """Without one, the gateway's stop at 85 % has nothing to measure against."""
    match = VARIABLE.fullmatch(redis_options["maxmemory"])

    assert match
    assert match["kind"] == "-"
    assert re.fullmatch(r"[1-9]\d*(mb|gb)", match["text"])


def test_redis_keeps_its_data_in_a_named_volume(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    """A new container finds the events of the old one."""
    (mount,) = services["redis"]["volumes"]
    name, target = mount.split(":")

    assert target == "/data"
    assert name in compose["volumes"]


def test_redis_cannot_be_reached_from_other_machines(services: dict[str, dict[str, Any]]) -> None:
    """Not published at all, or on 127.0.0.1 only."""
    published = services["redis"].get("ports", [])

    assert all(str(port).startswith("127.0.0.1:") for port in published)
    assert services["redis"].get("network_mode") != "host"


def test_redis_is_healthy_only_once_it_answers_pong(services: dict[str, dict[str, Any]]) -> None:
    """While it reads its log it answers LOADING, which redis-cli does not count as a failure."""
    kind, command = services["redis"]["healthcheck"]["test"]

    assert kind == "CMD-SHELL"
    assert command == "redis-cli ping | grep -q PONG"


# --- the gateway


def test_the_gateway_listens_where_its_published_port_leads(
    services: dict[str, dict[str, Any]],
) -> None:
    """On loopback, its default, it would be out of reach from outside the container."""
    command = services["relay"]["command"]
    (published,) = services["relay"]["ports"]

    assert command[0] == "serve"
    assert command[command.index("--host") + 1] == "0.0.0.0"
    assert command[command.index("--port") + 1] == published.rsplit(":", 1)[1] == "8080"


def test_the_admin_port_stays_inside_the_compose_network(
    services: dict[str, dict[str, Any]],
) -> None:
    """Metrics can be read by a neighbour and by nobody else."""
    assert services["relay"]["environment"]["RELAY_ADMIN_HOST"] == "0.0.0.0"
    assert services["relay"]["expose"] == ["8081"]
    assert not [port for port in services["relay"]["ports"] if "8081" in port]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_gateway_is_healthy_exactly_when_readyz_is_green(
    services: dict[str, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    healthy: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """The check runs with what the slim image has: Python, and no curl."""
    kind, program, option, code = services["relay"]["healthcheck"]["test"]
    asked: list[str] = []

    def answer(url: str, timeout: float) -> None:
        asked.append(url)
        if status != 200:
            raise urllib.error.HTTPError(url, status, "", Message(), None)

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    try:
        exec(compile(code, "healthcheck", "exec"), {})
        passed = True
    except urllib.error.HTTPError as error:
        error.close()
        passed = False

    assert (kind, program, option) == ("CMD", "python3", "-c")
    assert asked == ["http://127.0.0.1:8080/readyz"]
    assert passed is healthy


def test_a_missing_secret_stops_compose_with_the_way_out(
    services: dict[str, dict[str, Any]],
) -> None:
    """The message names the file to copy and what to put into it; empty counts as missing."""
    match = VARIABLE.fullmatch(services["relay"]["environment"]["UNIPILE_WEBHOOK_SECRET"])

    assert match
    assert match["kind"] == "?"
    for word in (".env.example", ".env", "signing secret", "Unipile"):
        assert word in match["text"]


def test_the_signing_secret_goes_to_the_gateway_only(services: dict[str, dict[str, Any]]) -> None:
    """A worker verifies nothing, so it need not know."""
    holders = {
        name
        for name, service in services.items()
        if "UNIPILE_WEBHOOK_SECRET" in service.get("environment", {})
    }

    assert holders == {"relay"}


# --- the worker, and what both programs share


def test_the_worker_runs_an_example_that_exists(services: dict[str, dict[str, Any]]) -> None:
    """The module is copied into the image and names its worker as the command does."""
    command, target = services["worker"]["command"]
    module, name = target.split(":")
    source = (ROOT / module.replace(".", "/")).with_suffix(".py")

    assert command == "worker"
    assert f"\n{name} = Worker(" in source.read_text("utf-8")
    assert "COPY examples ./examples" in (ROOT / "Dockerfile").read_text("utf-8")


def test_a_new_volume_for_a_spool_belongs_to_the_images_user() -> None:
    """An engine gives a named volume the owner that its place has in the image; else root's."""
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    guide = (ROOT / "docs/how-to/run-with-docker.md").read_text("utf-8")

    assert "--owner ${UID} --group ${UID} --mode 700 /var/lib/relay\n" in dockerfile
    assert 'volumes: ["spool:/var/lib/relay"]' in guide


def test_several_workers_can_run_side_by_side(services: dict[str, dict[str, Any]]) -> None:
    """A fixed name or port would let only the first one of `--scale worker=3` start."""
    assert not {"container_name", "ports", "hostname"} & set(services["worker"])


@pytest.mark.parametrize("name", ["relay", "worker"])
def test_both_programs_start_after_redis_can_answer(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    """Started is not enough: a Redis that reads its log refuses commands."""
    assert services[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert services[name]["environment"]["REDIS_URL"] == "redis://redis:6379/0"


def test_both_programs_are_one_image_built_here(services: dict[str, dict[str, Any]]) -> None:
    """The gateway and its workers cannot be of different versions."""
    images = {(services[name]["image"], services[name]["build"]) for name in ("relay", "worker")}

    assert images == {("webhook-relay:local", ".")}


def test_the_gateway_has_time_to_finish_before_it_is_killed(
    services: dict[str, dict[str, Any]],
) -> None:
    """Ten seconds on top of the grace period, for the flush and the way out."""
    patience = seconds(services["relay"]["stop_grace_period"])

    assert patience >= Settings.model_fields["grace_seconds"].default + 10


def test_a_worker_has_time_to_finish_before_it_is_killed(
    services: dict[str, dict[str, Any]],
) -> None:
    """Ten seconds on top of the grace period, for acks and handing back the rest."""
    patience = seconds(services["worker"]["stop_grace_period"])

    assert patience >= WorkerSection.model_fields["grace_seconds"].default + 10


# --- .env.example


def test_every_variable_is_described_and_every_description_is_of_a_variable() -> None:
    """Each is named in .env.example, with a comment above it."""
    used = {match["name"] for match in VARIABLE.finditer(COMPOSE_FILE.read_text("utf-8"))}
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    described = {
        line.split("=")[0]
        for above, line in itertools.pairwise(lines)
        if re.match(r"\w+=", line) and above.startswith("# ")
    }

    assert described == used


def test_the_example_holds_the_defaults_and_no_secret() -> None:
    """Copying it changes nothing but what is then filled in."""
    text = (ROOT / ".env.example").read_text("utf-8")
    example = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))

    for match in VARIABLE.finditer(COMPOSE_FILE.read_text("utf-8")):
        default = match["text"] if match["kind"] == "-" else ""
        assert example[match["name"]] == default


# --- the image


def instructions() -> list[str]:
    """Give the Dockerfile's instructions, joined where they go on over several lines."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    without_comments = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    joined = re.sub(r"\s*\\\n\s*", " ", without_comments)
    return [line for line in joined.splitlines() if line]


def test_the_image_runs_as_a_numbered_user_that_is_not_root() -> None:
    """A number, because Kubernetes cannot tell from a name that it is not root."""
    lines = instructions()
    last_user = [line for line in lines if line.startswith("USER ")][-1]
    (uid,) = [line.removeprefix("ARG UID=") for line in lines if line.startswith("ARG UID=")]

    assert last_user == "USER ${UID}:${UID}"
    assert int(uid) >= 10_000


def test_the_program_gets_signals_itself() -> None:
    """A shell in between would swallow SIGTERM."""
    assert 'ENTRYPOINT ["relay"]' in instructions()


def test_the_image_takes_another_base() -> None:
    """Both stages begin with the same base, so the interpreter's path is the same in both."""
    bases = [line.split()[1] for line in instructions() if line.startswith("FROM ")]

    assert bases == ["${BASE}", "${BASE}"]
    assert "ARG BASE=python:3.13-slim" in instructions()


def test_the_build_sees_only_what_it_needs() -> None:
    """The list begins with everything, so a secret file cannot be forgotten on it."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}

    assert rules[0] == "*"
    assert {"pyproject.toml", "README.md", "LICENSE", "relay", "consumers", "examples"} <= allowed
    assert not {".env", ".relay", ".git", "relay.toml"} & allowed


def test_the_image_check_can_be_executed() -> None:
    """`make image-check` calls the script by its path."""
    assert os.access(ROOT / "deploy" / "image-check", os.X_OK)
