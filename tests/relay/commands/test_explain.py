"""Errors become words and an exit code; bugs stay bugs."""

import errno
import socket

import pytest
from redis.exceptions import (
    AuthenticationError,
    ClusterCrossSlotError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from relay.contract.cluster import ClusterMoving
from relay.contract.errors import ConfigurationFault, RelayError, StoreUnavailable
from relay.contract.explain import CommandFailed, explain, redacted


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        (CommandFailed("no"), 1, "no"),
        (CommandFailed("no", exit_code=2), 2, "no"),
        (ConfigurationFault(["one", "two"]), 2, "one\n  two"),
        (RelayError("why"), 1, "why"),
        (StoreUnavailable(), 1, "did not confirm"),
        (AuthenticationError("WRONGPASS"), 2, "password"),
        (RedisConnectionError("Error 111"), 1, "cannot be reached: Error 111"),
        (RedisTimeoutError(), 1, "cannot be reached: TimeoutError"),
        (ClusterMoving("keys on the move"), 1, "A part of the cluster cannot be reached: keys"),
        (NoPermissionError("NOPERM"), 1, "does not let this user"),
        (OutOfMemoryError("OOM"), 1, "relay check"),
        (ResponseError("ERR x"), 1, "refused: ERR x"),
        (MovedError("1 a:2"), 2, "redis+cluster://"),
        (ClusterCrossSlotError("CROSSSLOT"), 2, "redis+cluster://"),
        (ResponseError("This instance has cluster support disabled"), 2, "redis://"),
        (OSError(errno.EADDRINUSE, "in use"), 1, "--port"),
        (OSError(errno.EADDRNOTAVAIL, "not there"), 2, "RELAY_HOST"),
        (socket.gaierror(-2, "Name or service not known"), 2, "RELAY_HOST"),
        (PermissionError(errno.EACCES, "denied", "/x"), 1, "Not permitted"),
        (FileNotFoundError(errno.ENOENT, "no such file", "/x"), 1, "/x"),
    ],
)
def test_what_a_user_can_mend_is_explained(error: Exception, exit_code: int, words: str) -> None:
    """The message says what to do."""
    explanation = explain(error)

    assert explanation is not None
    assert explanation.exit_code == exit_code
    assert words in explanation.message


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), BrokenPipeError(errno.EPIPE, "")]
)
def test_a_bug_is_not_explained(error: Exception) -> None:
    """It keeps its traceback."""
    assert explain(error) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at redis://user:geheim@h:1/0 now", "at redis://user:***@h:1/0 now"),
        ("redis://:ge:he@im@h", "redis://:***@h"),
        ("redis://h?db=1&password=geheim&x=1", "redis://h?db=1&password=***&x=1"),
        ("redis://h:1", "redis://h:1"),
    ],
)
def test_a_password_is_taken_out(text: str, shown: str) -> None:
    """The rest of a URL is left as it is."""
    assert redacted(text) == shown
