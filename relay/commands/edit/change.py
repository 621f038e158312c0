"""The changes themselves: a draft in, another draft out.

Each is made in the text, where comments and order are, and counts only if the new text says exactly
what the old one said with the change; so no form of TOML that was not thought of can be spoilt.
"""

import copy
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from relay.commands.edit.draft import Draft, NotEdited
from relay.commands.edit.render import key_text, value_text
from relay.commands.edit.text import (
    put_first,
    tables_with_end,
    take,
    with_arrays,
    with_end,
    with_line,
    with_table,
    without_tables,
)
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable

_NO_FORM = "The file is not written in a form that this command can change."
Toml = dict[str, Any]


def add_endpoint(draft: Draft, name: str, table: Mapping[str, object]) -> Draft:
    """Add an endpoint at the end.

    Args:
        draft: The file.
        name: The endpoint's name, of which there is none yet.
        table: Its settings; mappings within it are written on one line.

    Raises:
        CommandFailed: There is one of this name.
        NotEdited: The file has its endpoints in a form to which none can be added.
    """
    wanted = draft.toml
    if name in _table(wanted, "endpoints"):
        raise CommandFailed(
            f"There is an endpoint {printable(name, 80)} in {printable(draft.path)} already.",
            exit_code=WRONG_USAGE,
        )
    lines = (
        f"[endpoints.{key_text(name)}]",
        *(f"{key_text(key)} = {value_text(value)}" for key, value in table.items()),
    )
    added = tomllib.loads("\n".join(lines))["endpoints"][name]
    wanted["endpoints"] = {**_table(wanted, "endpoints"), name: added}
    end = draft.line_end
    block = end.join(lines) + end
    held = draft.text
    before = held + end * (2 if held and not held.endswith("\n") else 1) if held.strip() else held
    return _first_that_says(draft, wanted, [before + block], lines)


def put_secret(draft: Draft, endpoint: str, reference: Mapping[str, object]) -> Draft:
    """Put a secret first among those of an endpoint: the newest one signs.

    Args:
        draft: The file.
        endpoint: The endpoint's name; it must be in the file.
        reference: ``env`` or ``file``, and from when to when it counts, if that is said.

    Raises:
        CommandFailed: The endpoint is not in the file, or has this secret already.
        NotEdited: Its secrets are written in a form that is not known.
    """
    wanted = draft.toml
    secrets = _secrets(draft, wanted, endpoint)
    new = tomllib.loads(f"_ = {value_text(reference)}")["_"]
    if any(_name_of(each) == _name_of(new) for each in secrets):
        raise CommandFailed(
            f"{printable(_name_of(new))} is a secret of {endpoint} already.", exit_code=WRONG_USAGE
        )
    secrets.insert(0, new)
    lines = (f"[endpoints.{endpoint}]", f"secrets = {value_text(secrets)}")
    if len(secrets) == 1 and "secrets" not in draft.toml["endpoints"][endpoint]:
        return _first_that_says(draft, wanted, with_line(draft, endpoint, lines[1]), lines)
    texts = [
        *with_arrays(draft, endpoint, lambda array: put_first(array, value_text(reference))),
        *with_table(draft, endpoint, reference),
    ]
    return _first_that_says(draft, wanted, texts, lines)


def take_secret(draft: Draft, endpoint: str, name: str) -> Draft:
    """Take a secret out of those of an endpoint.

    Args:
        draft: The file.
        endpoint: The endpoint's name; it must be in the file.
        name: As the secret is called: ``env:VARIABLE`` or ``file:/path``.

    Raises:
        CommandFailed: The endpoint is not in the file, or has no such secret there.
        NotEdited: Its secrets are written in a form that is not known.
    """
    wanted = draft.toml
    secrets = _secrets(draft, wanted, endpoint)
    numbers = _numbers(draft, endpoint, name, secrets)
    secrets[:] = [each for each in secrets if _name_of(each) != name]
    lines = (f"[endpoints.{endpoint}]", f"secrets = {value_text(secrets)}")
    texts = [
        *with_arrays(draft, endpoint, lambda array: take(array, numbers)),
        without_tables(draft, endpoint, numbers),
    ]
    return _first_that_says(draft, wanted, texts, lines)


def end_secret(draft: Draft, endpoint: str, name: str, until: datetime | None) -> Draft:
    """Have a secret of an endpoint count until a time only, whatever was said of that.

    Args:
        draft: The file.
        endpoint: The endpoint's name; it must be in the file.
        name: As the secret is called: ``env:VARIABLE`` or ``file:/path``.
        until: The last moment, with its zone; none for no end.

    Raises:
        CommandFailed: The endpoint is not in the file, or has no such secret there.
        NotEdited: Its secrets are written in a form that is not known.
    """
    wanted = draft.toml
    secrets = _secrets(draft, wanted, endpoint)
    numbers = _numbers(draft, endpoint, name, secrets)
    for number in numbers:
        secrets[number].pop("not_after", None)
        secrets[number] |= {} if until is None else {"not_after": until}
    lines = (f"[endpoints.{endpoint}]", f"secrets = {value_text(secrets)}")
    texts = [
        *with_arrays(draft, endpoint, lambda array: with_end(array, numbers, until)),
        tables_with_end(draft, endpoint, numbers, until),
    ]
    return _first_that_says(draft, wanted, texts, lines)


def _numbers(draft: Draft, endpoint: str, name: str, secrets: list[Any]) -> list[int]:
    numbers = [number for number, each in enumerate(secrets) if _name_of(each) == name]
    if not numbers:
        raise CommandFailed(
            f"{printable(name)} is not among the secrets of {endpoint} in {printable(draft.path)}.",
            exit_code=WRONG_USAGE,
        )
    return numbers


def _first_that_says(
    draft: Draft, wanted: Toml, texts: Iterator[str] | list[str], lines: tuple[str, ...]
) -> Draft:
    """Take the first text that means what is wanted, and nothing else."""
    for text in texts:
        try:
            said = tomllib.loads(text)
        except ValueError:
            continue
        if _without_empty(said) == _without_empty(wanted):
            return replace(draft, text=text, lines=(*draft.lines, *lines))
    raise NotEdited(_NO_FORM, draft.path, lines, exit_code=WRONG_USAGE)


def _without_empty(toml: Toml) -> Toml:
    """No secrets, and an empty list of them, are the same."""
    same = copy.deepcopy(toml)
    for endpoint in _table(same, "endpoints").values():
        if isinstance(endpoint, dict) and endpoint.get("secrets") == []:
            del endpoint["secrets"]
    return same


def _secrets(draft: Draft, toml: Toml, endpoint: str) -> list[Any]:
    table = _table(toml, "endpoints").get(endpoint)
    if not isinstance(table, dict):
        raise CommandFailed(
            f"The endpoint {printable(endpoint, 80)} is not in {printable(draft.path)}, so its "
            "secrets cannot be changed there.",
            exit_code=WRONG_USAGE,
        )
    secrets = table.setdefault("secrets", [])
    return secrets if isinstance(secrets, list) else []


def _table(toml: Toml, key: str) -> Toml:
    value = toml.get(key)
    return value if isinstance(value, dict) else {}


def _name_of(reference: object) -> str:
    table = reference if isinstance(reference, dict) else {}
    return f"env:{table['env']}" if "env" in table else f"file:{table.get('file')}"
