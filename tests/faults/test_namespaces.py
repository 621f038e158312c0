"""The networks of the fault suite leave nothing behind."""

import subprocess

import pytest

from tests.faults import needs
from tests.faults.namespaces import run_in, two_networks

pytestmark = pytest.mark.chaos


def test_what_still_runs_in_a_network_ends_with_it() -> None:
    """Such as the servers of a round that came to no end."""
    if why := needs.namespaces():
        pytest.skip(why)
    left = None
    try:
        with two_networks() as networks:
            command = [*run_in(networks.there), "cat"]
            left = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert left.stdin is not None
            assert left.stdout is not None
            left.stdin.write(b"it runs\n")
            left.stdin.flush()
            left.stdout.readline()
        ended = left.wait(10)
    finally:
        if left is not None:
            left.kill()
            left.communicate()
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)

    assert ended != 0
    assert networks.here not in names.stdout
    assert networks.there not in names.stdout
