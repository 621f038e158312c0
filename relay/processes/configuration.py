"""Reads all that a gateway is made of, once, so that every process of it is made of the same.

Files, environment and options come in; settings, secrets and endpoints go out, or one error that
names every fault. What was read can be sent to another process, which reads nothing again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay.app import Gateway
from relay.contract import logs
from relay.contract.logs import LogFormat
from relay.contract.references import read_secret_file
from relay.contract.surroundings import read_config_file, with_running_dev
from relay.processes.messages import Begin
from relay.settings import Settings, build_endpoints
from relay.spool.directory import Directory


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was read, and was found to be right.

    Args:
        settings: The whole of it, checked.
        environ: The environment, with what was found beside it.
        toml: The file's content.
        options: What the command line said.
        secrets: Text of each file that holds a secret, by path.
    """

    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    toml: Mapping[str, Any] = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)

    def begin(self, listening: list[int], log_format: LogFormat) -> Begin:
        """Say it to a child.

        Args:
            listening: Descriptors of the sockets that it inherits.
            log_format: How it logs; that of the parent, so that all lines are in one form.
        """
        return Begin(
            listening=listening,
            # The rest it inherits.
            variables={
                name: value for name, value in self.environ.items() if os.environ.get(name) != value
            },
            toml=json.dumps(self.toml, default=str),  # times
            options=dict(self.options),
            secrets=dict(self.secrets),
            log_format=log_format,
            log_level=logs.level,
        )


def read_configuration(options: Mapping[str, Any]) -> Configuration:
    """Read everything from where the program was started, and check all of it.

    Args:
        options: What the command line said, in the form of the file.

    Raises:
        ConfigurationFault: Settings or secrets are wrong, all of them named.
    """
    environ = with_running_dev(os.environ, Path())
    toml = read_config_file(environ, Path())
    secrets: dict[str, str] = {}

    def read_file(path: Path) -> str:
        secrets[str(path)] = read_secret_file(path)
        return secrets[str(path)]

    settings = Settings.load(environ, toml, options, read_file)
    build_endpoints(settings, environ, read_file)
    if settings.spool.directory is not None:
        Directory(settings.spool.directory).prepare()
    return Configuration(settings, environ, toml, options, secrets)


def make_gateway(begin: Begin) -> tuple[Settings, Gateway]:
    """Make the gateway that the parent described.

    Raises:
        ConfigurationFault: The environment is not the parent's.
    """
    environ = {**os.environ, **begin.variables}

    def read_file(path: Path) -> str:
        if str(path) not in begin.secrets:
            # As the parent found it: a secret may still be on its way.
            raise FileNotFoundError
        return begin.secrets[str(path)]

    settings = Settings.load(environ, json.loads(begin.toml), begin.options, read_file)
    endpoints = build_endpoints(settings, environ, read_file)
    return settings, Gateway(settings, endpoints, processes=settings.processes)
