"""``relay dev`` reads its configuration anew when it is asked to, and goes on."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.test_dev import Dev, dev, send, wait_for_words
from tests.programs import start
from tests.servers import find_binary

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (find_binary("valkey") or find_binary("redis")), reason="there is no server to embed"
    ),
]

ENDPOINT = """
[endpoints.{name}]
provider = "{name}"
secrets = [{{ file = "{file}" }}]
"""


def reload(program: Dev) -> tuple[int, str]:
    """Ask for a reload, and give the command's exit code and words."""
    done = start(["-m", "relay", "reload"], program.log.parent, "reload")
    return done.process.wait(60), done.output()


def status_of(program: Dev, endpoint: str) -> int:
    """Give the status with which an unsigned delivery is answered."""
    url = f"http://127.0.0.1:{program.port}/webhooks/{endpoint}"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=30)
    with refused.value as answer:
        return answer.code


def test_a_reload_takes_endpoints_over_and_refuses_faults(tmp_path: Path) -> None:
    """What is new counts, what cannot be used changes nothing, and deliveries go on."""
    file = tmp_path / "relay.toml"
    (tmp_path / "github").write_text("a-secret-of-github\n")
    with dev(tmp_path) as program:
        ours = ENDPOINT.format(name="unipile", file=program.data / "secret")
        first = send(program)
        before = status_of(program, "github")
        file.write_text(ours + ENDPOINT.format(name="github", file="github"))
        taken = reload(program)
        after = status_of(program, "github")
        file.write_text(ours + '[endpoints.github]\nprovider = "nobody"\n')
        refused = reload(program)
        still = status_of(program, "github")
        for words in [*first, *send(program)]:
            wait_for_words(program, words)
        ended = program.stop()

    assert (before, after, still, ended) == (404, 401, 401, 0)
    assert taken[0] == 0, taken[1]
    assert "has taken the configuration over" in taken[1]
    assert refused[0] == 1
    assert "has refused the configuration whole" in refused[1]
