"""Times of secrets in the configuration: what they may be, and that every process has them."""

import json
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay.contract.errors import ConfigurationFault
from relay.endpoint import Endpoint
from relay.processes.configuration import make_gateway, read_configuration
from relay.processes.messages import Begin
from relay.settings import Settings, build_endpoints

ENVIRON = {"A": "secret-of-a", "B": "secret-of-b"}
DECEMBER_MS, JANUARY_MS = 1_796_083_200_000, 1_798_761_600_000


def endpoint_of(*secrets: dict[str, Any], where: str) -> Endpoint:
    """Build an endpoint from a file, or from a variable."""
    endpoints = {"mine": {"provider": "github", "secrets": list(secrets)}}
    variables = {"RELAY_ENDPOINTS": json.dumps(endpoints)} if where == "variable" else {}
    toml = {} if where == "variable" else {"endpoints": endpoints}
    environ = ENVIRON | variables
    return build_endpoints(Settings.load(environ, toml), environ)["mine"]


@pytest.mark.parametrize("where", ["variable", "file"])
def test_times_are_those_that_were_written(where: str) -> None:
    """In whichever zone; the newest first, as they stand."""
    endpoint = endpoint_of(
        {"env": "A", "not_before": "2026-12-01T08:00:00+08:00"},
        {"env": "B", "not_after": "2027-01-01T00:00:00Z"},
        where=where,
    )

    assert [(one.name, one.not_before_ms, one.not_after_ms) for one in endpoint.secrets] == [
        ("env:A", DECEMBER_MS, None),
        ("env:B", None, JANUARY_MS),
    ]


@pytest.mark.parametrize("where", ["variable", "file"])
@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({"not_before": "2026-12-01T08:00:00"}, "with its zone"),
        ({"not_after": "2026-12-01"}, "with its zone"),
        (
            {"not_before": "2027-01-01T00:00:00Z", "not_after": "2026-12-01T00:00:00Z"},
            "not_before must be earlier than not_after",
        ),
        (
            {"not_before": "2026-12-01T00:00:00Z", "not_after": "2026-12-01T01:00:00+01:00"},
            "not_before must be earlier than not_after",
        ),
        ({"not_after": "tomorrow"}, "with its zone, such as"),
        ({"until": "2026-12-01T00:00:00Z"}, "endpoints.mine.secrets.0"),
    ],
)
def test_a_time_that_means_nothing_is_a_fault(
    times: dict[str, str], words: str, where: str
) -> None:
    """Said at the start, with the place, and without the secret."""
    with pytest.raises(ConfigurationFault) as found:
        endpoint_of({"env": "A", **times}, where=where)

    said = " ".join(found.value.faults)
    assert words in said
    assert "endpoints.mine.secrets.0" in said
    assert "secret-of-a" not in said


def test_a_process_of_the_gateway_has_the_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across the boundary between parent and child, which is JSON and knows no times."""
    secret = tmp_path / "secret"
    secret.write_text("secret-of-a\n")
    (tmp_path / "relay.toml").write_text(
        f'[endpoints.mine]\nprovider = "github"\nsecrets = [{{ file = "{secret}", '
        "not_before = 2026-12-01T00:00:00Z, not_after = 2027-01-01T00:00:00Z }]\n"
    )
    monkeypatch.chdir(tmp_path)
    for name in ("REDIS_URL", "RELAY_CONFIG", "RELAY_ENDPOINTS"):
        monkeypatch.delenv(name, raising=False)
    configuration = read_configuration({})
    with socket.socket() as listening:
        said = msgspec.json.encode(configuration.begin([listening.fileno()], "json"))
    _, gateway = make_gateway(msgspec.json.decode(said, type=Begin))
    (found,) = gateway.receiver.endpoints["mine"].secrets

    assert (found.not_before_ms, found.not_after_ms) == (DECEMBER_MS, JANUARY_MS)
    assert "secret-of-a" not in repr(configuration)
