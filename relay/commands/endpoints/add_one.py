"""``relay endpoints add``: an endpoint for `relay.toml`, asked for or given by options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from relay.commands.edit import Draft, add_endpoint, check_draft, read_draft, write_draft
from relay.commands.endpoints.ask import ask, ask_hidden, confirm, on_terminal
from relay.commands.endpoints.following import Added, steps
from relay.commands.endpoints.kinds import kind_of
from relay.commands.endpoints.questions import has_secret, questions, secret_place
from relay.commands.endpoints.values import check_value, read_settings
from relay.commands.store import environment
from relay.contract.display import tell, warn
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.keys import is_name
from relay.contract.printable import printable
from relay.endpoint import Secret
from relay.endpoints import EndpointSection
from relay.handshake.secret_file import OtherSecret, put_secret
from relay.provider import Provider
from relay.settings import DEFAULT_SECRET_VARIABLE
from relay.verify import check_secret

UNIPILE = "unipile"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What was given; the rest is asked."""

    name: str | None
    known: dict[str, object]
    is_asking: bool


def add(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="The endpoint's name, the last part of its URL. [the preset's]"
        ),
    ] = None,
    *,
    provider: Annotated[
        str | None,
        typer.Option(metavar="PRESET", help="Kind of sender. [NAME, if it is one]"),
    ] = None,
    secret_env: Annotated[
        str | None,
        typer.Option(metavar="VARIABLE", help="The variable that holds the secret."),
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The file that holds the secret.")
    ] = None,
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Its whole URL, as the sender has it.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; may be repeated."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
) -> None:
    """Add an endpoint to relay.toml, and say what to do next.

    What its kind of sender needs is asked on a terminal; elsewhere options say it, and what is
    missing is named. The file keeps its comments, and is made where there is none. The secret
    itself is no option: others on this machine could read it.
    """
    environ, is_asking = environment(), on_terminal()
    draft = read_draft(environ, Path())
    known = read_settings(setting or ())
    if public_url is not None:
        known["public_url"] = public_url
    wanted = _Wanted(name=name, known=known, is_asking=is_asking)
    kind = kind_of(name, provider, is_asking=is_asking)
    called = _name(wanted, kind, draft)
    if secret_env is not None and secret_file is not None:
        raise _wrong("A secret is in one place: --secret-env or --secret-file.")
    place = str(secret_file) if secret_file is not None else secret_env
    table = _table(wanted, kind, called, _secrets(kind, place, is_file=secret_file is not None))
    draft = add_endpoint(with_default_endpoint(draft, called, environ), called, table)
    check_draft(draft, environ)
    _show(draft)
    if is_asking and not yes and not confirm("Write this?"):
        raise CommandFailed("Nothing was written.")
    write_draft(draft, environ)
    tell(f"Wrote {printable(draft.path)}.")
    is_written = is_asking and _take_secret(kind, table)
    added = Added(name=called, provider=kind, table=table, environ=environ, has_secret=is_written)
    for number, step in enumerate(steps(added), 1):
        tell(f"{number}. {step}")


def _name(wanted: _Wanted, kind: Provider, draft: Draft) -> str:
    taken = draft.toml.get("endpoints", {})

    def read(name: str) -> str:
        if not is_name(name):
            raise ValueError("a name is 1 to 63 lower-case letters, digits and hyphens")
        if name in taken:
            raise ValueError(f"there is an endpoint {name} already; give this one another NAME")
        return name

    if wanted.name is None and wanted.is_asking:
        return ask("Its name, the last part of its URL", read, kind.name)
    try:
        return read(wanted.name or kind.name)
    except ValueError as fault:
        raise _wrong(f"{printable(wanted.name or kind.name, 80)}: {fault}.") from None


def _secrets(kind: Provider, place: str | None, *, is_file: bool) -> dict[str, object]:
    if place is None:
        return {}
    if not has_secret(kind):
        raise _wrong(f"An endpoint of {kind.title} has no secret.")
    # A file may be named without any slash.
    text = f"./{place}" if is_file and not place.startswith(("/", "./", "../")) else place
    try:
        read = secret_place(kind, text)
    except ValueError as fault:
        raise _wrong(f"--secret-{'file' if is_file else 'env'}: {fault}.") from None
    if is_file != ("file" in read[0]):
        raise _wrong("--secret-env takes a variable's name, and --secret-file a path.")
    return {"secrets": read}


def _table(
    wanted: _Wanted, kind: Provider, name: str, secrets: Mapping[str, object]
) -> dict[str, Any]:
    """Put the settings together, in the order in which the preset is shown.

    Raises:
        CommandFailed: Something is missing, and nobody is there to be asked.
    """
    known = {"provider": kind.name, **secrets, **wanted.known}
    if "public_url" in known:
        try:
            check_value("public_url", known["public_url"])
        except ValueError as fault:
            raise _wrong(f"public_url: {fault}.") from None
    missing = questions(kind, name, known)
    if missing and not wanted.is_asking:
        options = "".join(f"\n  {question.option}" for question in missing)
        raise _wrong(f"An endpoint of {kind.title} needs more; say it by these options:{options}")
    for question in missing:
        known[question.key] = ask(question.text, question.read, question.default)
    return {key: known[key] for key in EndpointSection.model_fields if key in known}


def with_default_endpoint(
    draft: Draft, name: str, environ: Mapping[str, str], say: Callable[[str], None] = tell
) -> Draft:
    """Keep the endpoint that there is without any in the file.

    Args:
        draft: The file, to which an endpoint is about to be added.
        name: The name of that.
        environ: Environment variables.
        say: Is told what that means.
    """
    if "endpoints" in draft.toml or name == UNIPILE:
        return draft
    if not environ.get(DEFAULT_SECRET_VARIABLE):
        say(
            f"Without endpoints in the file, {DEFAULT_SECRET_VARIABLE} alone gives one called "
            f"{UNIPILE}. From now on there are those that the file names: if the gateway has that "
            "variable, add it too (`relay endpoints add unipile`)."
        )
        return draft
    say(
        f"{DEFAULT_SECRET_VARIABLE} alone gave the endpoint {UNIPILE} until now. With endpoints in "
        "the file it would be gone, so it is written too."
    )
    secrets = [{"env": DEFAULT_SECRET_VARIABLE}]
    return add_endpoint(draft, UNIPILE, {"provider": UNIPILE, "secrets": secrets})


def _show(draft: Draft) -> None:
    tell("")
    for line in draft.lines:
        tell(f"  {printable(line, 1000)}")
    tell("")


def _take_secret(kind: Provider, table: Mapping[str, Any]) -> bool:
    """Ask for the secret where a file is to hold it, and write it there."""
    files = [Path(each["file"]) for each in table.get("secrets", ()) if "file" in each]
    if not files or kind.brings_secret or files[0].exists():
        return False
    text = f"{kind.secret}, for {printable(files[0])} (hidden; empty: you put it there)"
    typed = ask_hidden(text, lambda secret: check_secret(kind.scheme, Secret(secret, "typed")))
    if not typed:
        return False
    try:
        put_secret(typed, files, replace=False)
    except (OSError, OtherSecret) as fault:
        said = getattr(fault, "strerror", None) or "it holds another secret"
        warn(f"The secret was not written to {printable(files[0])}: {said}.")
        return False
    tell(f"Wrote the secret to {printable(files[0])}, for its owner only: the gateway's user.")
    return True


def _wrong(message: str) -> CommandFailed:
    return CommandFailed(message, exit_code=WRONG_USAGE)
