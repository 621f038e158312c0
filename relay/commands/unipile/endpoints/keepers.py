"""What an endpoint is to be like, and who keeps its secret: this relay, or one elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from relay.commands.unipile.handing import SecretFile
from relay.commands.unipile.keeping import PROVIDER, Keeping
from relay.commands.unipile.wishes import event_names
from relay.contract.printable import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for; none where nothing was said.

    Args:
        url: Where deliveries go.
        events: Names of events, at least one.
        accounts: The accounts it is restricted to, at least one.
        description: The operator's words.
    """

    url: str
    events: list[str] | None = None
    accounts: list[str] | None = None
    description: str | None = None

    @property
    def body(self) -> dict[str, list[str] | str]:
        """What is sent for a new one: all events that are known, where none was named."""
        events = event_names(()) if self.events is None else self.events
        body: dict[str, list[str] | str] = {"url": self.url, "trigger_events": events}
        return body | self.rest

    @property
    def rest(self) -> dict[str, list[str] | str]:
        """What was said of accounts and description."""
        said: dict[str, list[str] | str | None] = {
            "account_ids": self.accounts,
            "description": self.description,
        }
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Stored:
    """What has become of a secret.

    Args:
        says: In sentences.
        file: Where it is; none where it counted already.
        toml: What is to be added to ``relay.toml``; empty where that is done.
    """

    says: Sequence[str]
    file: Path | None = None
    toml: Sequence[str] = ()


class Keeper(Protocol):
    """Keeps the secret of a new endpoint."""

    @property
    def place(self) -> str:
        """Say where the secret will be."""

    def holds(self, text: str) -> bool:
        """Tell whether a secret counts already."""

    def keep(self, text: str) -> Stored:
        """Keep a secret.

        Raises:
            CommandFailed: It was not kept.
        """

    def doubts(self, wanted: Wanted) -> list[str]:
        """Say what looks wrong, and may be right."""


@dataclass(frozen=True, slots=True)
class Here:
    """Keeps it in a file that ``relay.toml`` names."""

    keeping: Keeping

    @property
    def place(self) -> str:
        """Say where the secret will be."""
        return f"a new file, for the endpoint {self.keeping.name} of relay.toml"

    def holds(self, text: str) -> bool:
        """Tell whether a secret counts already."""
        return self.keeping.holds(text)

    def keep(self, text: str) -> Stored:
        """Keep a secret.

        Raises:
            CommandFailed: It was not kept.
        """
        if self.holds(text):
            return Stored([f"Its secret counts at the endpoint {self.keeping.name} already."])
        kept, draft = self.keeping.keep(text)
        place = "first" if self.keeping.knowns else "alone"
        said = (
            f"Its secret is in {printable(kept.path)}, for its owner only, and stands {place} at "
            f"the endpoint {self.keeping.name} of {printable(draft.path)}."
        )
        says = [said, kept.advice] if kept.advice else [said]
        return Stored([*says, "`relay reload` has the gateways take it."], file=kept.path)

    def doubts(self, wanted: Wanted) -> list[str]:
        """Say what looks wrong, and may be right."""
        return _doubts(wanted, self.keeping.name)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Writes it to a file for another machine.

    Args:
        name: The endpoint's name there.
        file: Where it goes.
    """

    name: str
    file: SecretFile

    @property
    def place(self) -> str:
        """Say where the secret will be."""
        return f"{printable(self.file.path)}, and nothing is written to relay.toml"

    def holds(self, text: str) -> bool:
        """Tell whether a secret counts already; what counts elsewhere is not known here."""
        del text
        return False

    def keep(self, text: str) -> Stored:
        """Keep a secret.

        Raises:
            CommandFailed: It was not kept.
        """
        self.file.keep(text)
        lines = self.file.lines(self.name, PROVIDER)
        said = (
            f"Its secret is in {printable(self.file.path)}, for its owner only. Take that file to "
            "the machine of the relay, and add this to the relay.toml there, with the path that it "
            "has there:"
        )
        shown = [f"  {printable(line, 1000)}" for line in lines]
        return Stored([said, *shown], file=self.file.path, toml=lines)

    def doubts(self, wanted: Wanted) -> list[str]:
        """Say what looks wrong, and may be right."""
        return _doubts(wanted, self.name)


def _doubts(wanted: Wanted, name: str) -> list[str]:
    found, url = [], urlsplit(wanted.url)
    if url.path.rstrip("/").rpartition("/")[2] != name:
        found.append(
            f"The URL does not end with /{name}, so its deliveries come to the endpoint {name} "
            "only where a proxy leads them there."
        )
    if url.scheme == "http":
        found.append("Over http:// anyone on the way can read what Unipile delivers.")
    return found
