"""The servers of the tests: none is left behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import NAMES, find_binary, wait_until_sync

pytestmark = pytest.mark.redis

STARTS_ONE = """
import sys
from pathlib import Path
from tests.servers import Server

server = Server(Path(sys.argv[1]), Path(sys.argv[2]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


def is_running(pid: int) -> bool:
    """Tell whether a process is there and has not ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_server_ends_with_tests_that_are_killed(tmp_path: Path) -> None:
    """Those have no moment left in which they could end it."""
    binary = find_binary(NAMES[0].partition("-")[0])
    if binary is None:
        pytest.skip("this machine has no server")
    command = [sys.executable, "-c", STARTS_ONE, str(binary), str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        pid = int(tests.stdout.readline())
        running = is_running(pid)
        tests.kill()

    assert running
    wait_until_sync(lambda: not is_running(pid), description="the server has ended")
