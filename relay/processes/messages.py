"""What a gateway's parent tells a child first of all; the rest is what any parent says."""

from typing import Any

import msgspec

from relay.contract.logs import LogFormat, LogLevel


class Begin(msgspec.Struct, tag="begin", frozen=True, kw_only=True):
    """To a child, first of all: what it is to be.

    A child reads no file. Were it to, a crash after a careless edit would bring up a process
    that differs from its neighbours, or none at all.

    Args:
        listening: Descriptors of the listening sockets that it has inherited.
        variables: What is to be seen beside its environment.
        toml: The configuration file's content, as JSON, which has no bounds for numbers.
        options: What the command line said.
        secrets: Text of each file that holds a secret, by path.
        log_format: How it logs.
        log_level: What it logs.
    """

    listening: list[int]
    variables: dict[str, str]
    toml: str
    options: dict[str, Any]
    secrets: dict[str, str]
    log_format: LogFormat
    log_level: LogLevel = "info"

    def __repr__(self) -> str:
        return f"Begin(listening={self.listening})"
