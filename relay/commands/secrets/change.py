"""Changes which secrets an endpoint has, in ``relay.toml``: the edits that a rotation is made of.

Only what the gateway would then have counts: where a variable says otherwise than the file, nothing
is written.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from relay.commands.edit import (
    Draft,
    add_endpoint,
    check_draft,
    end_secret,
    put_secret,
    read_draft,
    take_secret,
    write_draft,
)
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.settings import DEFAULT_ENDPOINT, DEFAULT_SECRET_VARIABLE, DEFAULT_TABLE

Reference = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an endpoint's secrets are written down.

    Args:
        endpoint: Its name.
        draft: The file, unchanged.
        environ: Environment variables.
        is_implied: The file does not have the endpoint: a variable alone gives it.
    """

    endpoint: str
    draft: Draft
    environ: Mapping[str, str]
    is_implied: bool = False

    @property
    def directory(self) -> Path:
        """Where the file is."""
        return self.draft.path.absolute().parent

    @property
    def references(self) -> list[Reference]:
        """What the file says of the endpoint's secrets, the newest first."""
        if self.is_implied:
            return [{"env": DEFAULT_SECRET_VARIABLE}]
        return _references(self.draft, self.endpoint)


def find_place(endpoint: str, environ: Mapping[str, str], secrets: int) -> Place:
    """Read the file that names an endpoint's secrets.

    Args:
        endpoint: Its name; it is configured.
        environ: Environment variables.
        secrets: How many secrets it has, file and variables taken together.

    Raises:
        CommandFailed: They are not named in a file, but by variables.
    """
    draft = read_draft(environ, Path())
    is_implied = "endpoints" not in draft.toml and endpoint == DEFAULT_ENDPOINT
    if is_implied and not os.environ.get(DEFAULT_SECRET_VARIABLE):
        raise CommandFailed(
            "This is the endpoint of a `relay dev` with its own secret: write relay.toml to have "
            "one whose secret can be replaced.",
            exit_code=WRONG_USAGE,
        )
    place = Place(endpoint, draft, environ, is_implied)
    if len(place.references) != secrets:
        raise _by_variables(place)
    return place


def put_first(place: Place, path: Path) -> Draft:
    """Have the secret in a file count beside the others, as the newest."""
    new = {"file": str(path)}
    if place.is_implied:
        table = {**DEFAULT_TABLE, "secrets": [new, *place.references]}
        return add_endpoint(place.draft, place.endpoint, table)
    return put_secret(place.draft, place.endpoint, new)


def take_out(place: Place, numbers: Sequence[int]) -> Draft:
    """Have some secrets count no more.

    Args:
        place: Where they are written down.
        numbers: Which, counted from 0.

    Raises:
        CommandFailed: One of them stands there once more, and would go on counting.
    """
    references = place.references
    kept = {_name(each) for number, each in enumerate(references) if number not in numbers}
    draft = place.draft
    for name in dict.fromkeys(_name(references[number]) for number in numbers):
        if name in kept:
            raise CommandFailed(
                f"{printable(name)} is named twice among the secrets of {place.endpoint}: take "
                "one of both out by hand.\nNothing was changed.",
                exit_code=WRONG_USAGE,
            )
        draft = take_secret(draft, place.endpoint, name)
    return _in_one(draft)


def end_at(place: Place, until: datetime) -> Draft:
    """Have all but the newest count until a time only."""
    return end_some(place, range(1, len(place.references)), until)


def end_some(place: Place, numbers: Sequence[int], until: datetime | None) -> Draft:
    """Have some secrets count until a time only, whatever was said of that.

    Args:
        place: Where they are written down.
        numbers: Which, counted from 0.
        until: The last moment, with its zone; none for no end.
    """
    references, draft = place.references, place.draft
    for name in dict.fromkeys(_name(references[number]) for number in numbers):
        draft = end_secret(draft, place.endpoint, name, until)
    return _in_one(draft)


def leave_old(place: Place, unended: Sequence[int]) -> Draft:
    """Have the newest count no more, and some of the others without the end that they have.

    Args:
        place: Where they are written down.
        unended: Which, counted from 0.
    """
    draft = take_out(place, [0])
    for name in dict.fromkeys(_name(place.references[number]) for number in unended):
        draft = end_secret(draft, place.endpoint, name, None)
    return _in_one(draft)


def judge(place: Place, draft: Draft) -> None:
    """Refuse a change that would not do what it says, before anything is written.

    Raises:
        CommandFailed: The file could not be used, or a variable says otherwise than it.
    """
    section = check_draft(draft, place.environ).endpoints.get(place.endpoint)
    there = [] if section is None else [reference.name for reference in section.secrets]
    wanted = [_path_name(each) for each in _references(draft, place.endpoint)]
    if there != wanted:
        raise _by_variables(place)


def write(place: Place, change: Callable[[Place], Draft]) -> Draft:
    """Make a change, and write it whole or not at all.

    Raises:
        CommandFailed: It was not written; what an operator can do is said.
    """
    draft = change(place)
    judge(place, draft)
    write_draft(draft, place.environ)
    return draft


def _in_one(draft: Draft) -> Draft:
    """Have an operator who makes the change by hand make its last step only, which says it all."""
    return replace(draft, lines=draft.lines[-2:])


def _references(draft: Draft, endpoint: str) -> list[Reference]:
    table: Any = draft.toml.get("endpoints", {})
    for key in (endpoint, "secrets"):
        table = table.get(key, {}) if isinstance(table, dict) else {}
    return [each for each in table if isinstance(each, dict)] if isinstance(table, list) else []


def _name(reference: Reference) -> str:
    return f"env:{reference['env']}" if "env" in reference else f"file:{reference.get('file')}"


def _path_name(reference: Reference) -> str:
    """Name it as it is named once it was read, which writes paths alike."""
    return _name(reference) if "env" in reference else f"file:{Path(str(reference.get('file')))}"


def _by_variables(place: Place) -> CommandFailed:
    variable = f"RELAY_ENDPOINTS__{place.endpoint.upper()}__SECRETS"
    return CommandFailed(
        f"The secrets of {place.endpoint} are not those that {printable(place.draft.path)} names: "
        f"a variable says otherwise (RELAY_ENDPOINTS, or {variable}). Change them there, the "
        "newest first, or move them into the file.\nNothing was changed.",
        exit_code=WRONG_USAGE,
    )
