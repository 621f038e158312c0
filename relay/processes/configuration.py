"""Reads all that a gateway is made of, once, so that every process of it is made of the same.

Files, environment and options come in; settings, secrets and endpoints go out, or one error that
names every fault. What was read can be sent to another process, which reads nothing again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from relay.app import Gateway
from relay.contract import logs
from relay.contract.errors import ConfigurationFault
from relay.contract.logs import LogFormat
from relay.contract.references import ReadFile, read_secret_file
from relay.contract.surroundings import (
    CONFIG_FILE,
    CONFIG_VARIABLE,
    read_config_file,
    with_running_dev,
)
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
        secrets: Text of each file that a secret is read from, by path; none where it is not there
            yet.
    """

    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    toml: Mapping[str, Any] = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)
    secrets: Mapping[str, str | None] = field(repr=False)

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
            secrets={path: text for path, text in self.secrets.items() if text is not None},
            log_format=log_format,
            log_level=logs.level,
        )

    def with_secrets(self, secrets: Mapping[str, str | None]) -> "Configuration":
        """Make the same configuration of other secrets; no file is read.

        Args:
            secrets: Text of each file, by path.

        Raises:
            ConfigurationFault: One of them is no secret where it is used, all of them named.
        """
        read_file = _reads(secrets)
        settings = Settings.load(self.environ, self.toml, self.options, read_file)
        build_endpoints(settings, self.environ, read_file)
        return replace(self, settings=settings, secrets=secrets)

    def refuse_emptied(self, new: "Configuration") -> None:
        """Refuse a configuration whose file is gone or empty, while this one's was not.

        An editor, a full disk or a volume that is not mounted leaves such a file; nobody writes
        it to end all endpoints, and each would answer 404, after which senders give up.

        Raises:
            ConfigurationFault: It is so.
        """
        if new.toml or not self.toml:
            return
        file = self.environ.get(CONFIG_VARIABLE) or CONFIG_FILE
        endpoints = self.toml.get("endpoints")
        count = len(endpoints) if isinstance(endpoints, Mapping) else 0
        what = "holds nothing" if Path(file).exists() else "is gone"
        named = f"it named {count} endpoint{'' if count == 1 else 's'}"
        raise ConfigurationFault(
            [f"{file} {what}; {named}. To go on without it, start the gateway anew"]
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
    secrets: dict[str, str | None] = {}

    def read_file(path: Path) -> str:
        # Once each: two endpoints that name the same file must have the same secret.
        if str(path) not in secrets:
            secrets[str(path)] = _text_of(path)
        return _reads(secrets)(path)

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
    read_file = _reads(begin.secrets)
    settings = Settings.load(environ, json.loads(begin.toml), begin.options, read_file)
    endpoints = build_endpoints(settings, environ, read_file)
    return settings, Gateway(settings, endpoints, processes=settings.processes)


def _text_of(path: Path) -> str | None:
    try:
        return read_secret_file(path)
    except FileNotFoundError:
        return None


def _reads(secrets: Mapping[str, str | None]) -> ReadFile:
    """Give what reads files as they were found once."""

    def read_file(path: Path) -> str:
        text = secrets.get(str(path))
        if text is None:
            # As the parent found it: a secret may still be on its way.
            raise FileNotFoundError
        return text

    return read_file
