"""Takes a new secret from whoever rotates, in a way that nobody else can see.

It is never an argument: those can be read by everyone on the machine.
"""

import sys
from collections.abc import Sequence
from hmac import compare_digest
from pathlib import Path

import typer

from relay.commands.secrets.known import Known
from relay.commands.secrets.make import make_secret
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.references import SecretReference, read_secret, read_secret_file
from relay.endpoint import Secret
from relay.provider import Provider
from relay.verify import check_secret

# A PEM of many keys is shorter; what is longer is another file.
MAX_CHARACTERS = 65_536


def take_new(
    provider: Provider, knowns: Sequence[Known], *, generate: bool, from_file: Path | None
) -> Secret:
    """Take a secret, and refuse what cannot be one, or counts already.

    Args:
        provider: Whose it is.
        knowns: Those that are configured.
        generate: Make it by chance.
        from_file: Read it from a file; without either it is typed, or read from standard input.

    Raises:
        CommandFailed: It cannot be used, said without showing any of it.
    """
    if generate and from_file is not None:
        raise _refused("Either --generate or --from-file.")
    text = make_secret(provider) if generate else _given(provider, from_file)
    if text != text.strip() or len(text) > MAX_CHARACTERS or not _is_text(text):
        raise _refused("The new secret begins or ends with white space, or is no secret at all.")
    secret = Secret(text, "the new secret")
    try:
        check_secret(provider.scheme, secret)
    except ValueError as fault:
        raise _refused(f"The new secret cannot be used: {fault}.") from None
    for known in knowns:
        if known.secret and compare_digest(known.secret.reveal(), secret.reveal()):
            raise _refused(f"The new secret is the one from {known.name}, which is there already.")
    return secret


def _is_text(text: str) -> bool:
    """Terminals may give bytes that are none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _given(provider: Provider, from_file: Path | None) -> str:
    if from_file is not None:
        try:
            return read_secret(SecretReference(file=from_file), {}, read_secret_file)
        except ValueError as fault:
            raise _refused(f"The new secret cannot be read: {fault}.") from None
    if sys.stdin is not None and sys.stdin.isatty():
        if provider.has_public_key:
            raise _refused("A public key has several lines: give it by --from-file.")
        return str(typer.prompt(f"New secret ({provider.secret})", hide_input=True, err=True))
    return _piped()


def _piped() -> str:
    raw = b"" if sys.stdin is None else sys.stdin.buffer.read(4 * MAX_CHARACTERS + 1)
    try:
        text = raw.decode().rstrip("\r\n")
    except ValueError:
        # Its own message would quote the bytes.
        raise _refused("The new secret on standard input is no text.") from None
    if not text:
        raise _refused(
            "There is no new secret: type it at a terminal, pipe it into standard input, or give "
            "--from-file or --generate."
        )
    return text


def _refused(why: str) -> CommandFailed:
    return CommandFailed(f"{why}\nNothing was changed.", exit_code=WRONG_USAGE)
