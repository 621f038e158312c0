"""Turns what stopped a command into words for the person who typed it.

An exception comes in; a message that says what to do, and the exit code, go out: 2 for wrong
usage or configuration, 1 for anything else that failed. What is not the user's mistake is not
explained, so that a bug keeps its traceback. No message holds a password.
"""

import errno
import re
import socket
from dataclasses import dataclass

from redis.exceptions import (
    AuthenticationError,
    ClusterCrossSlotError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from relay.contract.cluster.errors import ClusterMoving
from relay.contract.errors import ConfigurationFault, RelayError
from relay.contract.printable import printable

FAILED = 1
WRONG_USAGE = 2

_PASSWORD = re.compile(
    r"(://[^/\s:@]*:)[^/\s]*(?=@)|([?&](?:\w+_)?password=)[^&\s]*", re.IGNORECASE
)


class CommandFailed(RelayError):
    """A command found a problem or cannot go on.

    Args:
        message: What happened and what to do, for the person who typed the command.
        exit_code: `FAILED`, or `WRONG_USAGE` where something was typed or configured wrongly.
    """

    def __init__(self, message: str, *, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a command says before it ends.

    Args:
        message: One or more lines, safe to print.
        exit_code: What the process ends with.
    """

    message: str
    exit_code: int


def explain(error: BaseException) -> Explanation | None:
    """Say what a user can do about an error.

    Returns:
        The explanation, or ``None`` where the error is a bug of ours.
    """
    if isinstance(error, CommandFailed):
        return Explanation(str(error), error.exit_code)
    if isinstance(error, ConfigurationFault):
        faults = "\n".join(f"  {printable(fault, 1000)}" for fault in error.faults)
        return Explanation(f"The configuration cannot be used:\n{faults}", WRONG_USAGE)
    if isinstance(error, RelayError):
        return Explanation(str(error) or (type(error).__doc__ or "").strip(), FAILED)
    if isinstance(error, RedisError):
        return _explain_store(error)
    if isinstance(error, OSError):
        return _explain_system(error)
    return None


def redacted(text: str) -> str:
    """Take the passwords out of URLs."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}***", text)


def _explain_store(error: RedisError) -> Explanation:
    said = printable(redacted(str(error)))
    # Before the connection errors, whose kind it is too.
    if isinstance(error, AuthenticationError):
        return Explanation(
            f"Redis does not take the user or the password ({said}).\n"
            "Put the right ones into the URL: redis://USER:PASSWORD@host:6379/0, "
            "by --redis-url, REDIS_URL or [redis] url in relay.toml, or name them by "
            "[redis] username and password.",
            WRONG_USAGE,
        )
    if isinstance(error, RedisConnectionError | RedisTimeoutError):
        return (
            _explain_tls(error, said)
            or _explain_part(error, said)
            or Explanation(
                f"Redis cannot be reached: {said or type(error).__name__}\n"
                "Start it, or say where it is by --redis-url or REDIS_URL; "
                "`relay dev` brings one of its own.",
                FAILED,
            )
        )
    return _explain_refusal(error, said)


def _explain_refusal(error: RedisError, said: str) -> Explanation:
    if isinstance(error, NoPermissionError):
        return Explanation(f"Redis does not let this user do that: {said}", FAILED)
    if isinstance(error, OutOfMemoryError):
        return Explanation(f"Redis is full: {said}\nSee `relay check`.", FAILED)
    if isinstance(error, MovedError | ClusterCrossSlotError):
        return Explanation(
            "Redis is one server of a cluster, and the URL is that of a single server.\n"
            "Write it as redis+cluster://host:port.",
            WRONG_USAGE,
        )
    if "cluster support disabled" in said:
        return Explanation(
            "Redis is a single server, and the URL is that of a cluster.\n"
            "Write it as redis://host:port.",
            WRONG_USAGE,
        )
    return Explanation(f"Redis refused: {said}", FAILED)


def _explain_tls(error: RedisError, said: str) -> Explanation | None:
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return Explanation(
            f"Redis is not trusted: {said}\n"
            "Its certificate must be for the host that the URL names, and be signed by an "
            "authority that the URL names: rediss://host:6379/0?ssl_ca_certs=/path/to/ca.pem.",
            WRONG_USAGE,
        )
    # A Unix socket that is not there looks alike, but for its path.
    if isinstance(error.__context__, FileNotFoundError) and "connecting to /" not in said:
        return Explanation(
            f"Redis is not connected to: {said}\n"
            "A file that the URL names cannot be opened: ssl_ca_certs, ssl_certfile, ssl_keyfile.",
            WRONG_USAGE,
        )
    return None


def _explain_part(error: RedisError, said: str) -> Explanation | None:
    """Say it of the one server of a cluster that is away; the others may well be there."""
    # That is where the cluster's client names the server.
    places = getattr(error, "__notes__", ())
    if not places and not isinstance(error, ClusterMoving):
        return None
    return Explanation(
        "A part of the cluster cannot be reached: "
        f"{': '.join([*places, said or type(error).__name__])}\n"
        "Start its server, or wait until a replica has taken its place; "
        "`relay check` says of each what it finds.",
        FAILED,
    )


def _explain_system(error: OSError) -> Explanation | None:
    said = printable(redacted(str(error)))
    if error.errno == errno.EADDRINUSE:
        return Explanation(
            f"{said}\nAnother program listens there; end it, or choose other ports "
            "(--port, --admin-port).",
            FAILED,
        )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return Explanation(
            f"{said}\nIt cannot listen there: host (--host, RELAY_HOST) and admin_host "
            "(RELAY_ADMIN_HOST) must be addresses of this machine.",
            WRONG_USAGE,
        )
    if error.errno == errno.EACCES or isinstance(error, PermissionError):
        return Explanation(f"Not permitted: {said}", FAILED)
    if error.errno == errno.EPIPE:
        return None  # nobody reads on; the command line ends quietly by itself
    return Explanation(said or type(error).__name__, FAILED)
