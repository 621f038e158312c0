"""Has a secret that Unipile made count at an endpoint here: a file of its own, and ``relay.toml``.

It is judged before anything is done at Unipile whether that will work. The file is written before
it is named, so whoever is killed in between runs the command again.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from relay.commands.edit import (
    Draft,
    NotEdited,
    add_endpoint,
    changed_meanwhile,
    check_draft,
    read_draft,
    write_draft,
)
from relay.commands.endpoints.add_one import with_default_endpoint
from relay.commands.secrets.change import (
    Place,
    end_some,
    find_place,
    judge,
    put_first,
    write,
)
from relay.commands.secrets.keep import Kept, keep_secret, new_name
from relay.commands.secrets.known import EndpointSettings, Known, endpoint_settings, read_known
from relay.contract.display import warn
from relay.contract.errors import RelayError
from relay.contract.explain import FAILED, WRONG_USAGE, CommandFailed, explain
from relay.contract.keys import is_name
from relay.contract.printable import printable
from relay.endpoint import Secret
from relay.providers import PROVIDERS
from relay.settings import DEFAULT_SECRET_VARIABLE
from relay.verify import check_secret

PROVIDER = "unipile"


class NotKept(CommandFailed):
    """A secret is in a file that nothing names.

    Args:
        fault: What stopped it.
        path: The file.
    """

    def __init__(self, fault: RelayError, path: Path) -> None:
        said = explain(fault)
        message, code = (said.message, said.exit_code) if said else (str(fault), FAILED)
        super().__init__(f"The secret is in {printable(path)}. {message}", exit_code=code)
        # An operator could write what the program could not.
        self.by_hand = isinstance(fault, NotEdited)
        # Without the lines for that, which name the file.
        self.why = fault.why if isinstance(fault, NotEdited) else message
        self.path = path


@dataclass(frozen=True, slots=True)
class Keeping:
    """An endpoint here that is to have another secret.

    Args:
        name: Its name.
        knowns: Its secrets as they are, the newest first; empty where there is no such endpoint.
        environ: Environment variables.
        place: Where its secrets are written down; none where it is to be added.
    """

    name: str
    knowns: tuple[Known, ...]
    environ: Mapping[str, str]
    place: Place | None

    def holds(self, text: str) -> bool:
        """Tell whether a secret is here, counting or not, as far as this terminal can read them."""
        return self.number(text) is not None

    def number(self, text: str) -> int | None:
        """Say which of its secrets one is, counted from 0; none where it is not to be read here."""
        for number, known in enumerate(self.knowns):
            if known.secret is not None and known.secret.reveal() == text.encode("utf-8"):
                return number
        return None

    def lift_end(self, number: int) -> None:
        """Have one of its secrets count without an end.

        Args:
            number: Which, counted from 0.

        Raises:
            CommandFailed: ``relay.toml`` was not changed.
        """
        if self.place is not None:
            write(self.place, lambda place: end_some(place, [number], None))

    def draft(self, path: Path, say: Callable[[str], None] | None = None) -> Draft:
        """Give ``relay.toml`` as it would be with the secret in a file, judged whole.

        Args:
            path: The file.
            say: Is told what else changes by it.

        Raises:
            CommandFailed: It could not be used so, or not be changed.
        """
        if self.place is not None:
            # Read anew: somebody may have changed it meanwhile.
            try:
                place = find_place(self.name, self.environ, len(self.knowns))
            except CommandFailed:
                if read_draft(self.environ, Path()).found != self.place.draft.found:
                    raise changed_meanwhile(self.place.draft) from None
                raise
            draft = put_first(place, path)
            judge(place, draft)
            return draft
        draft = with_default_endpoint(
            read_draft(self.environ, Path()), self.name, self.environ, say or _say_nothing
        )
        table = {"provider": PROVIDER, "secrets": [{"file": str(path)}]}
        draft = add_endpoint(draft, self.name, table)
        check_draft(draft, self.environ)
        return draft

    def keep(self, text: str) -> tuple[Kept, Draft]:
        """Have a secret count, as the newest.

        Args:
            text: As Unipile gave it.

        Returns:
            The file with the secret, and ``relay.toml`` as it is now.

        Raises:
            NotKept: The secret is in a file, and ``relay.toml`` is as it was.
            CommandFailed: Nothing was written.
        """
        judge_secret(text)
        number = self.number(text)
        if number is not None and (file := self.knowns[number].reference.file) is not None:
            return Kept(file), read_draft(self.environ, Path())
        directory = read_draft(self.environ, Path()).path.absolute().parent
        kept = keep_secret(self.name, Secret(text, "Unipile"), self.knowns, directory)
        try:
            # Not among what a program reads from standard output.
            draft = self.draft(kept.path, warn)
            write_draft(draft, self.environ)
        except RelayError as fault:
            # A command in another terminal has had it count meanwhile, in this file or its own.
            if (theirs := self._kept_meanwhile(text)) is not None:
                if os.path.realpath(theirs) != os.path.realpath(kept.path):
                    with suppress(OSError):
                        kept.path.unlink()
                    kept = Kept(theirs)
                return kept, read_draft(self.environ, Path())
            raise NotKept(fault, kept.path) from None
        return kept, draft

    def _kept_meanwhile(self, text: str) -> Path | None:
        """Find the file of a secret that counts by now."""
        try:
            now = _keeping(self.name, self.environ, endpoint_settings(None))
        except RelayError:
            return None
        number = now.number(text)
        return None if number is None else now.knowns[number].reference.file


def keeping(name: str, environ: Mapping[str, str], redis_url: str | None = None) -> Keeping:
    """Find out where an endpoint's secret would go, and whether it can.

    Args:
        name: The endpoint's name; it may have to be added.
        environ: Environment variables.
        redis_url: What ``--redis-url`` said, if anything.

    Raises:
        CommandFailed: It is an endpoint of another sender, or its file cannot be changed.
        ConfigurationFault: The configuration cannot be used as it is.
    """
    if not is_name(name):
        raise CommandFailed(
            f"{printable(name, 80)}: a name is 1 to 63 lower-case letters, digits and hyphens.",
            exit_code=WRONG_USAGE,
        )
    settings = endpoint_settings(redis_url)
    found = _keeping(name, environ, settings)
    # Before anything is done that would have to be undone: where no edit would do, none is begun.
    path = read_draft(environ, Path()).path.absolute()
    try:
        found.draft(path.parent / new_name(name))
    except NotEdited as fault:
        # Its lines name a file that is not there.
        raise CommandFailed(
            f"{printable(path)}: {fault.why} Write each endpoint in a table of its own, "
            "[endpoints.NAME], with its secrets in one list, and run this again.",
            exit_code=WRONG_USAGE,
        ) from None
    # The secret goes beside it; and where it is a link, the file that it leads to is replaced.
    for directory in (path.parent, Path(os.path.realpath(path)).parent):
        if not os.access(directory, os.W_OK):
            raise CommandFailed(f"{printable(directory)} cannot be written to by this user.")
    return found


def _say_nothing(text: str) -> None:
    del text


def judge_secret(text: str) -> None:
    """Refuse what can be no secret of Unipile's, before it counts.

    Raises:
        CommandFailed: A gateway could not use it as it is, or would read another one.
    """
    try:
        if text != text.strip():
            raise ValueError("it begins or ends with white space")  # noqa: TRY301
        if not text.isprintable():
            # A file of some of them reads as one in which nothing is.
            raise ValueError("it has control characters")  # noqa: TRY301
        check_secret(PROVIDERS[PROVIDER].scheme, Secret(text, "Unipile"))
    except ValueError as fault:
        raise CommandFailed(f"The secret that Unipile gives cannot be used: {fault}.") from None


def _keeping(name: str, environ: Mapping[str, str], settings: EndpointSettings) -> Keeping:
    section = settings.endpoints.get(name)
    is_of_trial = (
        "endpoints" not in read_draft(environ, Path()).toml
        and section is not None
        and not os.environ.get(DEFAULT_SECRET_VARIABLE)
    )
    # That of a `relay dev` has a secret which it made for itself, and no table yet.
    if section is None or is_of_trial:
        return Keeping(name, (), environ, None)
    if section.provider != PROVIDER:
        raise CommandFailed(
            f"The endpoint {name} is of {section.provider}, and not of {PROVIDER}: give this one "
            "another name.",
            exit_code=WRONG_USAGE,
        )
    knowns = read_known(section, environ)
    return Keeping(name, knowns, environ, find_place(name, environ, len(knowns)))
