"""Who keeps the secret of an endpoint at Unipile: this relay, or one elsewhere.

A secret comes in, what became of it goes out, in sentences without it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from relay.commands.unipile.registering.wanted import WantedEndpoint
from relay.commands.unipile.secret_file import SecretFile
from relay.commands.unipile.secret_here import PROVIDER, Keeping, judge_secret
from relay.contract.display import time_text
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable

RELOAD = "`relay reload` has the gateways take it."


@dataclass(frozen=True, slots=True)
class Stored:
    """What has become of a secret.

    Args:
        says: In sentences.
        file: Where it is; none where it counted already.
        toml: What is to be added to ``relay.toml``; empty where that is done.
        step: What is to be done here before it counts, as a sentence; empty for nothing.
    """

    says: Sequence[str]
    file: Path | None = None
    toml: Sequence[str] = ()
    step: str = ""


class Keeper(Protocol):
    """Keeps the secret of an endpoint."""

    @property
    def says_where(self) -> str:
        """Say where the secret will be."""

    def holds(self, text: str) -> bool:
        """Tell whether a secret is kept already, whether it counts or not."""

    def counts(self, text: str) -> bool:
        """Tell whether a secret counts already, and goes on doing so."""

    def keep(self, text: str) -> Stored:
        """Keep a secret.

        Raises:
            CommandFailed: It was not kept.
        """

    def doubts(self, wanted: WantedEndpoint) -> list[str]:
        """Say what looks wrong, and may be right."""


@dataclass(frozen=True, slots=True)
class KeptHere:
    """Keeps it in a file that ``relay.toml`` names.

    Args:
        keeping: The endpoint here.
    """

    keeping: Keeping

    @property
    def says_where(self) -> str:
        """Say where the secret will be."""
        return f"a new file, for the endpoint {self.keeping.name} of relay.toml"

    def holds(self, text: str) -> bool:
        """Tell whether a secret is kept already, whether it counts or not."""
        return self.keeping.holds(text)

    def counts(self, text: str) -> bool:
        """Tell whether a secret counts already, and goes on doing so."""
        number = self.keeping.number(text)
        if number is None:
            return False
        known = self.keeping.knowns[number]
        return known.reference.not_after_ms is None and known.counts_at(_now_ms())

    def keep(self, text: str) -> Stored:
        """Keep a secret; of one that is here already the end is lifted, if it has one.

        Raises:
            CommandFailed: It was not kept, or does not count yet.
        """
        number = self.keeping.number(text)
        if number is not None:
            return self._kept_already(number)
        kept, draft = self.keeping.keep(text)
        place = "first" if self.keeping.knowns else "alone"
        said = (
            f"Its secret is in {printable(kept.path)}, for its owner only, and stands {place} at "
            f"the endpoint {self.keeping.name} of {printable(draft.path)}."
        )
        says = [said, kept.advice] if kept.advice else [said]
        return Stored(says, file=kept.path, step=RELOAD)

    def doubts(self, wanted: WantedEndpoint) -> list[str]:
        """Say what looks wrong, and may be right."""
        return _doubts(wanted, self.keeping.name)

    def _kept_already(self, number: int) -> Stored:
        known, where = self.keeping.knowns[number], f"at the endpoint {self.keeping.name}"
        begin, end = known.reference.not_before_ms, known.reference.not_after_ms
        if begin is not None and begin > _now_ms():
            raise CommandFailed(
                f"Its secret ({printable(known.name)}) counts from {time_text(begin)} on only "
                f"{where}: take its not_before out of relay.toml, and run this again."
            )
        if end is None:
            return Stored([f"Its secret counts {where} already."])
        self.keeping.lift_end(number)
        said = f"Its secret has no end any more {where}: it was to count until {time_text(end)}."
        return Stored([said], step=RELOAD)


@dataclass(frozen=True, slots=True)
class KeptElsewhere:
    """Writes it to a file for another machine.

    Args:
        name: The endpoint's name there.
        file: Where it goes.
    """

    name: str
    file: SecretFile

    @property
    def says_where(self) -> str:
        """Say where the secret will be."""
        return f"{printable(self.file.path)}, and nothing is written to relay.toml"

    def holds(self, text: str) -> bool:
        """Tell whether a secret is kept already; what is kept elsewhere is not known here."""
        del text
        return False

    def counts(self, text: str) -> bool:
        """Tell whether a secret counts already; what counts elsewhere is not known here."""
        return self.holds(text)

    def keep(self, text: str) -> Stored:
        """Keep a secret.

        Raises:
            CommandFailed: It was not kept.
        """
        judge_secret(text)
        self.file.keep(text)
        lines = self.file.lines(self.name, PROVIDER)
        said = (
            f"Its secret is in {printable(self.file.path)}, for its owner only. Take that file to "
            "the machine of the relay, and add this to the relay.toml there, with the path that it "
            "has there:"
        )
        shown = [f"  {printable(line, 1000)}" for line in lines]
        return Stored([said, *shown], file=self.file.path, toml=lines)

    def doubts(self, wanted: WantedEndpoint) -> list[str]:
        """Say what looks wrong, and may be right."""
        return _doubts(wanted, self.name)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _doubts(wanted: WantedEndpoint, name: str) -> list[str]:
    found, url = [], urlsplit(wanted.url)
    if url.path.rstrip("/").rpartition("/")[2] != name:
        found.append(
            f"The URL does not end with /{name}, so its deliveries come to the endpoint {name} "
            "only where a proxy leads them there."
        )
    if url.scheme == "http":
        found.append("Over http:// anyone on the way can read what Unipile delivers.")
    return found
