"""A ``relay.toml`` that is being changed, and whether it can be used as it would be."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.contract.errors import ConfigurationFault
from relay.contract.explain import FAILED, WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.contract.references import read_secret_file
from relay.contract.surroundings import CONFIG_FILE, CONFIG_VARIABLE
from relay.settings import Settings

# Stands for a secret that is not there yet; it is never read as one.
_NOT_THERE_YET = "not-there-yet"


class NotEdited(CommandFailed):
    """The file was left as it was, and an operator can change it by hand.

    Args:
        why: What stopped it, in a sentence.
        path: The file.
        lines: What is to be written there or taken out, as TOML.
        exit_code: `FAILED`, or `WRONG_USAGE` where the file is not in a form for it.
    """

    def __init__(
        self, why: str, path: Path, lines: tuple[str, ...], *, exit_code: int = FAILED
    ) -> None:
        shown = "\n".join(f"  {printable(line, 1000)}" for line in lines)
        super().__init__(
            f"{why}\nNothing was written. Change {printable(path)} yourself:\n{shown}",
            exit_code=exit_code,
        )
        self.why = why
        self.path = path
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Draft:
    """A file as it is, and as it is to be.

    Args:
        path: Where it is, as it is called.
        found: Its bytes when it was read; none where there is no file yet.
        text: What it is to hold.
        lines: What was changed, as an operator would do it by hand.
    """

    path: Path
    found: bytes | None
    text: str
    lines: tuple[str, ...] = ()

    @property
    def toml(self) -> dict[str, Any]:
        """What the text says."""
        return tomllib.loads(self.text)

    @property
    def line_end(self) -> str:
        """How its lines end: as the first one does."""
        first, newline, _ = self.text.partition("\n")
        return "\r\n" if newline and first.endswith("\r") else "\n"


def read_draft(environ: Mapping[str, str], directory: Path) -> Draft:
    """Read ``relay.toml``, or the file that ``RELAY_CONFIG`` names, unchanged as yet.

    Args:
        environ: Environment variables.
        directory: Where the program was started.

    Raises:
        ConfigurationFault: It cannot be read, or is not TOML.
    """
    path = directory / (environ.get(CONFIG_VARIABLE) or CONFIG_FILE)
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return Draft(path, None, "")
    except OSError as error:
        raise ConfigurationFault([f"cannot read {path}: {error.strerror}"]) from None
    try:
        draft = Draft(path, found, found.decode())
        tomllib.loads(draft.text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationFault([f"{path} is not TOML: {error}"]) from None
    return draft


def check_draft(draft: Draft, environ: Mapping[str, str]) -> Settings:
    """Judge the whole file as the gateway will.

    A secret that is not there yet is put there after the change, or is there for the gateway only.

    Args:
        draft: With its changes.
        environ: Environment variables, which may say otherwise than the file.

    Returns:
        The settings that it gives.

    Raises:
        CommandFailed: It could not be used; all faults are named, and nothing is written.
    """
    try:
        return load_unsecured(environ, draft.toml)
    except ConfigurationFault as fault:
        faults = "\n".join(f"  {printable(each, 1000)}" for each in fault.faults)
        raise CommandFailed(
            f"With this change {printable(draft.path)} could not be used, so nothing was written:\n"
            f"{faults}",
            exit_code=WRONG_USAGE,
        ) from None


def load_unsecured(environ: Mapping[str, str], toml: Mapping[str, Any]) -> Settings:
    """Build the settings where secrets may be missing: they are there for the gateway only.

    Args:
        environ: Environment variables.
        toml: What the file says.

    Raises:
        ConfigurationFault: Anything else is wrong.
    """
    awaited = dict.fromkeys(_variables(toml), _NOT_THERE_YET)
    filled = {**awaited, **{name: value for name, value in environ.items() if value.strip()}}
    return Settings.load(filled, toml, read_file=_read_or_await)


def _variables(value: object) -> Iterator[str]:
    """Name the variables from which something secret is read."""
    if isinstance(value, Mapping):
        if isinstance(variable := value.get("env"), str):
            yield variable
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _variables(each)


def _read_or_await(path: Path) -> str:
    try:
        return read_secret_file(path)
    except OSError:
        return _NOT_THERE_YET
