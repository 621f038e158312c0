"""From what was typed to the receiver that is meant."""

import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from relay.conformance import CHECKS, Target, Trouble
from relay.conformance.address import Address
from relay.conformance.check import Check
from relay.conformance.event import Maker, Signer
from relay.conformance.observe import CommandObserver, run_command
from relay.conformance.target import Change
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.contract.references import read_secret_file
from relay.endpoint import Secret
from relay.providers import PROVIDERS

USUAL_VARIABLE = "UNIPILE_WEBHOOK_SECRET"
# The checks play a sender that signs a timestamp in the same header, and has ids in its body.
PLAYED = ("unipile",)


@dataclass(frozen=True, slots=True)
class Named:
    """Where a secret is, as it was typed.

    Args:
        option: The option that gives it.
        text: Itself.
        variable: The variable that holds it.
        path: The file that holds it.
    """

    option: str
    text: str | None
    variable: str | None
    path: Path | None

    def read(self, environ: Mapping[str, str]) -> Secret | None:
        """Give the secret, if one was named.

        Raises:
            CommandFailed: It is named twice, or is not where it should be.
        """
        given = [value for value in (self.text, self.variable, self.path) if value is not None]
        if len(given) > 1:
            ways = f"--{self.option}, --{self.option}-env, --{self.option}-file"
            raise _wrong(f"Say one of {ways}.")
        if self.text is not None:
            return _secret(self.text, f"--{self.option}")
        if self.variable is not None:
            if not environ.get(self.variable):
                raise _wrong(f"The environment variable {printable(self.variable)} is not set.")
            return _secret(environ[self.variable], f"env:{self.variable}")
        return None if self.path is None else self._from_file(self.path)

    def _from_file(self, path: Path) -> Secret:
        try:
            return _secret(read_secret_file(path).rstrip("\r\n"), f"file:{path}")
        except (OSError, ValueError):
            raise _wrong(
                f"The file {printable(path)} of --{self.option}-file cannot be read."
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Everything that was typed, apart from the checks.

    Args:
        url: The receiver's.
        secret: Where its secret is.
        second: Where one is that it accepts too.
        provider: Whose signatures it verifies.
        event_type: The type of the events.
        max_body_bytes: The longest body that it takes.
        tolerance_seconds: How old a signature may be.
        patience_seconds: How long its sender waits.
        slow_seconds: How long a slow sender takes.
        at_once: The most deliveries at once.
        observe: A command that prints what it has stored.
        redis_url: The store of a relay behind it.
        break_command: Takes its store away.
        mend_command: Gives it back.
        insecure: Take any certificate.
    """

    url: str | None
    secret: Named
    second: Named
    provider: str
    event_type: str
    max_body_bytes: int
    tolerance_seconds: int
    patience_seconds: float
    slow_seconds: float
    at_once: int
    observe: str | None
    redis_url: str | None
    break_command: str | None
    mend_command: str | None
    insecure: bool


def chosen(names: Sequence[str]) -> list[Check]:
    """Give the checks that were named, or all.

    Raises:
        CommandFailed: There is no such check.
    """
    known = {check.name for check in CHECKS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise _wrong(f"There is no check {printable(unknown[0], 80)}; `--list` names all.")
    return [check for check in CHECKS if not names or check.name in names]


def target_of(wanted: Wanted, environ: Mapping[str, str]) -> Target:
    """Say what is to be examined.

    Raises:
        CommandFailed: Something was typed wrongly, or there is no secret.
    """
    provider = PROVIDERS.get(wanted.provider) if wanted.provider in PLAYED else None
    if provider is None:
        known = ", ".join(PLAYED)
        raise _wrong(f"There is no provider {printable(wanted.provider, 80)}; known: {known}.")
    if wanted.observe is not None and wanted.redis_url is not None:
        raise _wrong("Say --observe or --redis-url, not both.")
    return Target(
        address=_address(wanted),
        signer=Signer(provider, _first(wanted, environ), wanted.second.read(environ)),
        maker=Maker(provider, wanted.event_type, secrets.token_hex(4)),
        max_body_bytes=wanted.max_body_bytes,
        tolerance_seconds=wanted.tolerance_seconds,
        patience_seconds=wanted.patience_seconds,
        slow_seconds=wanted.slow_seconds,
        at_once=wanted.at_once,
        observer=CommandObserver(_words("--observe", wanted.observe)) if wanted.observe else None,
        trouble=_trouble(wanted),
    )


def _address(wanted: Wanted) -> Address:
    if not wanted.url:
        raise _wrong("Say --url: the receiver's whole URL, to which its sender would post.")
    try:
        return Address.parse(wanted.url, insecure=wanted.insecure)
    except ValueError as error:
        raise _wrong(f"--url cannot be used: {printable(error)}") from None


def _first(wanted: Wanted, environ: Mapping[str, str]) -> Secret:
    found = wanted.secret.read(environ)
    if found is not None:
        return found
    if text := environ.get(USUAL_VARIABLE):
        return _secret(text, f"env:{USUAL_VARIABLE}")
    raise _wrong(
        "The receiver's secret is needed, to sign as its sender does: "
        f"--secret-env, --secret-file, {USUAL_VARIABLE}, or a `relay dev` in this directory."
    )


def _secret(text: str, name: str) -> Secret:
    if not text:
        raise _wrong(f"The secret of {printable(name)} is empty.")
    return Secret(text, name)


def _trouble(wanted: Wanted) -> Trouble | None:
    if wanted.break_command is None and wanted.mend_command is None:
        return None
    if not wanted.break_command or not wanted.mend_command:
        raise _wrong("--break and --mend go together.")
    return Trouble(
        _run("--break", wanted.break_command),
        _run("--mend", wanted.mend_command),
    )


def _run(option: str, command: str) -> Change:
    words = _words(option, command)

    async def run() -> None:
        await run_command(words)

    return run


def _words(option: str, command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise _wrong(f"{option} is no command: quotes must be closed.")
    return words


def _wrong(message: str) -> CommandFailed:
    return CommandFailed(message, exit_code=WRONG_USAGE)
