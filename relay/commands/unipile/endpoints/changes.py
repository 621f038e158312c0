"""What an update is to make of an endpoint: options in, the fields that differ out.

Pure. The account list goes with every update and whole, since what Unipile makes of one without it
is not documented; and an empty list means all accounts, so one never becomes empty by itself.

Source: https://github.com/unipile/unipile-python, docs/WebhooksApi.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from relay.commands.unipile.wishes import event_names
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.unipile import UnipileEndpoint
from relay.unipile.compare import differing


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChange:
    """What was said of a list.

    Args:
        whole: What it is to be.
        add: What is to be in it too.
        remove: What is to be in it no more.
    """

    whole: Sequence[str] = ()
    add: Sequence[str] = ()
    remove: Sequence[str] = ()

    @property
    def is_any(self) -> bool:
        """Whether anything was said."""
        return bool(self.whole or self.add or self.remove)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What was said.

    Args:
        url: Where deliveries go.
        description: The operator's words; empty for none.
        events: Of the types of events, patterns among them.
        accounts: Of the accounts.
        all_accounts: It takes every account.
        enabled: Whether it sends.
    """

    url: str | None = None
    description: str | None = None
    events: ListChange = ListChange()
    accounts: ListChange = ListChange()
    all_accounts: bool = False
    enabled: bool | None = None


def body_of(there: UnipileEndpoint, changes: Changes) -> dict[str, object]:
    """Give what is to be sent.

    Args:
        there: The endpoint as it is.
        changes: What was said.

    Returns:
        The fields that differ, and the whole account list; empty where nothing does.

    Raises:
        CommandFailed: It would become what nobody can have meant.
    """
    accounts = _accounts(there, changes)
    wanted: dict[str, object] = {
        "url": changes.url,
        "description": changes.description,
        "enabled": changes.enabled,
        "trigger_events": _events(there, changes.events),
        "account_ids": accounts,
    }
    said = {name: value for name, value in wanted.items() if value is not None}
    differ = differing(there, said)
    if not differ:
        return {}
    return {name: said[name] for name in said if name in differ} | {"account_ids": accounts}


def _events(there: UnipileEndpoint, change: ListChange) -> list[str] | None:
    if not change.is_any:
        return None
    _only_whole(change, "--event")
    if change.whole:
        return event_names(change.whole)
    added = event_names(change.add) if change.add else []
    removed = {name for each in change.remove for name in _fitting(each, there.events)}
    left = [name for name in dict.fromkeys([*there.events, *added]) if name not in removed]
    if not left:
        raise _wrong(
            "No event would be left. `relay unipile endpoints disable` has it send nothing."
        )
    return left


def _fitting(pattern: str, names: Sequence[str]) -> list[str]:
    """Give what a pattern means among names that are there."""
    form = re.compile(".*".join(map(re.escape, pattern.strip().split("*"))))
    found = [name for name in names if form.fullmatch(name)]
    if not found:
        raise _wrong(f"--remove-event: {printable(pattern, 80)} is not among its events.")
    return found


def _accounts(there: UnipileEndpoint, changes: Changes) -> list[str]:
    change = changes.accounts
    _only_whole(change, "--account")
    if changes.all_accounts and (change.whole or change.add):
        raise _wrong("--all-accounts leaves no list to which one could be added.")
    if change.whole:
        return list(change.whole)
    if (change.add or change.remove) and not there.accounts:
        raise _wrong(
            "It takes all accounts, and has no list. --account ACCOUNT, for each that it is to "
            "take, restricts it to those."
        )
    for each in change.remove:
        if each not in there.accounts:
            raise _wrong(f"--remove-account: {printable(each, 80)} is not among its accounts.")
    if changes.all_accounts:
        return []
    left = dict.fromkeys([*there.accounts, *change.add])
    kept = [each for each in left if each not in change.remove]
    if change.remove and not kept:
        raise _wrong(
            "No account would be left, and that means all accounts to Unipile. --all-accounts "
            "says that; `relay unipile endpoints disable` has it send nothing."
        )
    return kept


def _only_whole(change: ListChange, option: str) -> None:
    if change.whole and (change.add or change.remove):
        what = option.removeprefix("--")
        raise _wrong(f"{option} gives the whole list; --add-{what} and --remove-{what} change it.")


def _wrong(message: str) -> CommandFailed:
    return CommandFailed(f"{message} Nothing was changed.", exit_code=WRONG_USAGE)
