"""Endpoints of Unipile as they are shown: all of it, but the secrets.

What Unipile has and what is configured here come in, rows and lines go out.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relay.commands.secrets.known import Known, endpoint_settings, read_known
from relay.commands.store import environment
from relay.contract.display import show_json, tell
from relay.contract.printable import printable
from relay.endpoint import Secret
from relay.unipile import UnipileEndpoint

# Unipile has it, and no endpoint here has its secret.
NOWHERE = "-"
# Said of one that has a list of accounts.
RESTRICTED = (
    "Accounts that are linked later are not covered by its list: `relay unipile endpoints update "
    "{id} --add-account …` adds one."
)
_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Holder:
    """An endpoint here that has a secret.

    Args:
        name: Its name.
        known: Where the secret is.
        others: How many others of its secrets count now.
    """

    name: str
    known: Known
    others: int


# By the fingerprint of the secret.
Holders = Mapping[str, Holder]


def holders() -> Holders:
    """Give who has which secret, as far as this terminal can read them.

    It is read before Unipile is asked: a configuration that cannot be used is said before anything
    is done.

    Raises:
        ConfigurationFault: It cannot be read.
    """
    environ, now_ms = environment(), time.time_ns() // 1_000_000
    found = {}
    for name, section in endpoint_settings(None).endpoints.items():
        knowns = read_known(section, environ)
        for known in knowns:
            if known.fingerprint is not None:
                others = sum(each is not known and each.counts_at(now_ms) for each in knowns)
                found[known.fingerprint] = Holder(name, known, others)
    return found


def fingerprint_of(endpoint: UnipileEndpoint) -> str:
    """Tell the secret of an endpoint from others, without any of it."""
    return Secret(endpoint.secret, "Unipile").fingerprint


def row_of(endpoint: UnipileEndpoint, held: Holders) -> dict[str, object]:
    """Say all that may be shown of an endpoint, but what is known of its accounts."""
    fingerprint = fingerprint_of(endpoint)
    holder = held.get(fingerprint)
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "enabled": endpoint.enabled,
        "description": endpoint.description,
        "events": list(endpoint.events),
        "accounts": list(endpoint.accounts),
        "fingerprint": fingerprint,
        "endpoint": None if holder is None else holder.name,
    }


def whole_row(endpoint: UnipileEndpoint, held: Holders) -> dict[str, object]:
    """Say all that may be shown of an endpoint."""
    targets = [
        {
            "id": target.id,
            "name": target.account_name,
            "provider": target.account_provider,
            "status": target.status,
        }
        for target in endpoint.account_targets or ()
    ]
    return {**row_of(endpoint, held), "account_targets": targets}


def tell_done(did: str, says: Sequence[str], row: Mapping[str, object], *, as_json: bool) -> None:
    """Say what was done, and how the endpoint is now.

    Args:
        did: In a word, for programs.
        says: In sentences, safe to print.
        row: From `whole_row`, with anything else that programs may want.
        as_json: One object, with the keys ``did`` and ``says`` too.
    """
    if as_json:
        show_json({"did": did, "says": list(says), **row})
        return
    for sentence in says:
        tell(sentence)
    for line in lines_of(row):
        tell(line)


def lines_of(row: Mapping[str, object]) -> list[str]:
    """Write a row for people, a line for each thing."""
    return [f"{name}: {_text(name, value)}" for name, value in row.items()]


def _text(name: str, value: object) -> str:
    if isinstance(value, list):
        nothing = "all" if name == "accounts" else NOWHERE
        return ", ".join(_text(name, each) for each in value) or nothing
    if isinstance(value, dict):
        return " ".join(printable(each, 80) for each in value.values() if each is not None)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NOWHERE if value is None else printable(value, _CHARACTERS)
