"""Programs whose standard streams were closed by whoever started them."""

import subprocess
import sys

import pytest

from relay.contract.explain import WRONG_USAGE

CLOSED = """
import os, sys
os.closerange(0, 3)
os.execv(sys.executable, sys.orig_argv[4:])
"""


def ended_without_streams(*arguments: str) -> int:
    """Run Python without standard streams, and give its exit code."""
    command = [sys.executable, "-c", CLOSED, "--", sys.executable, *arguments]
    return subprocess.run(command, check=False, timeout=60).returncode


def test_what_is_opened_next_does_not_get_their_numbers() -> None:
    """What a library prints would go into it, as into a connection to the store."""
    program = """if True:
        import socket, sys
        from relay.contract.standard import open_standard_streams
        open_standard_streams()
        print(sys.stdin.read(), sys.stderr.isatty(), file=sys.stderr, flush=True)
        sys.exit(socket.socket().fileno())
    """

    assert ended_without_streams("-c", program) > 2


@pytest.mark.parametrize("program", [["relay", "worker"], ["consumers"]])
def test_a_program_without_standard_streams_comes_as_far_as_with_them(program: list[str]) -> None:
    """To the fault that there is, and not to one of its logging."""
    assert ended_without_streams("-m", *program, "nowhere:worker") == WRONG_USAGE
