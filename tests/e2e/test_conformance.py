"""The gateway against the conformance kit, from the command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relay.conformance import CHECKS
from tests.conftest import StartServer
from tests.programs import GatewayProgram, gateway
from tests.servers import free_port
from tests.signing import SECRET

pytestmark = pytest.mark.e2e

SECOND = "another-secret-that-is-taken-too"
CONFIGURATION = """
[endpoints.unipile]
provider = "unipile"
secrets = [{ env = "UNIPILE_WEBHOOK_SECRET" }, { env = "SECOND" }]
"""
RUN_SECONDS = 120.0


def examined(program: GatewayProgram, directory: Path, *options: str) -> tuple[int, Any]:
    """Run the kit against a gateway, and give its exit code and report."""
    url = ["--url", program.url, "--slow-seconds", "1", "--json"]
    with (directory / "kit.log").open("wb") as said:
        done = subprocess.run(
            [sys.executable, "-m", "relay", "conformance", *url, *options],
            cwd=directory,
            env={"UNIPILE_WEBHOOK_SECRET": SECRET, "SECOND": SECOND},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            timeout=RUN_SECONDS,
            check=False,
        )
    return done.returncode, json.loads(done.stdout)


def test_the_kit_finds_nothing_wrong_with_the_gateway(
    start_server: StartServer, tmp_path: Path
) -> None:
    """Every check passes: nothing is unseen, and nothing is left unjudged."""
    server = start_server("valkey")
    (tmp_path / "relay.toml").write_text(CONFIGURATION)
    pid = server.pid
    # Two processes, of which each must do what a single one does, and both what they share.
    with gateway(tmp_path, server.url, SECOND=SECOND, RELAY_PROCESSES="2") as program:
        exit_code, report = examined(
            program,
            tmp_path,
            *("--redis-url", server.url, "--second-secret-env", "SECOND"),
            *("--break", f"kill -STOP {pid}", "--mend", f"kill -CONT {pid}"),
        )

    wrong = [check for check in report["checks"] if check["verdict"] != "passed"]
    assert (exit_code, wrong) == (0, [])
    assert len(report["checks"]) == len(CHECKS)
    assert report["sent"] < 1500


def test_a_gateway_without_its_store_is_not_judged(tmp_path: Path) -> None:
    """It says that it can take nothing now, so nothing is known, and nothing passes."""
    with gateway(tmp_path, f"redis://127.0.0.1:{free_port()}/0") as program:
        exit_code, report = examined(program, tmp_path)

    assert exit_code == 1
    assert report["verdicts"] == {"not judged": len(CHECKS)}
    assert "store_unavailable" in report["checks"][0]["reason"]
