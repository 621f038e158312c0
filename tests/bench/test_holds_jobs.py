"""Work in other processes is heard, told, ended, and its failures are."""

import os
from typing import Any

import pytest

from bench.cpu import threads_ns
from bench.failures import JobFailed
from bench.holds.jobs import Channel, job
from bench.residence import children, peak_bytes, resident_bytes, tree
from tests.servers import wait_until_sync


def add(channel: Channel, one: int, other: int) -> int:
    """Add."""
    channel.say("adding")
    return one + other


def fail(_: Channel) -> None:
    """Raise."""
    raise ValueError("no such thing")


def leave(_: Channel) -> None:
    """End without a word."""
    os._exit(3)


def echo(channel: Channel) -> None:
    """Say what it hears, for ever."""
    while True:
        channel.say((os.getpid(), channel.hear()))


def test_a_job_says_how_far_it_is_and_gives_its_result() -> None:
    """In a process of its own."""
    with job(add, 2, 3) as adding:
        assert adding.result(30) == 5
        assert adding.said() == "adding"
        assert adding.is_done()


def test_a_job_that_raises_is_said_with_its_traceback() -> None:
    """Where the result is asked for."""
    with job(fail) as failing, pytest.raises(JobFailed, match="no such thing"):
        failing.result(30)


def test_a_job_that_ends_without_a_word_is_noticed() -> None:
    """It would be waited for in vain."""
    with job(leave) as leaving, pytest.raises(JobFailed, match="ended"):
        leaving.result(30)


def test_a_job_is_a_child_that_can_be_told_something_and_ends_with_its_block() -> None:
    """And the kernel's account of it is read on the way."""
    with job(echo) as echoing:
        echoing.tell("hello")
        said: Any = echoing.heard(30)
        pid, heard = said
        assert heard == "hello"
        assert pid in children(os.getpid())
        assert pid in tree(os.getpid())
        assert 0 < resident_bytes(pid) <= peak_bytes(pid) < peak_bytes(os.getpid())
        assert threads_ns(pid) > 0

    wait_until_sync(lambda: pid not in tree(os.getpid()), description="the job has ended")
    assert resident_bytes(pid) == 0
