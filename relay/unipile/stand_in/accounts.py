"""The linked accounts, and what is known of those that were removed.

Source: https://github.com/unipile/unipile-python, the models of an account and of a webhook
endpoint's account target.
"""

from collections.abc import Iterator

import msgspec

from relay.unipile.stand_in.rules import MOST_ACCOUNTS

PROVIDERS = ("whatsapp", "linkedin", "google", "outlook", "instagram", "telegram", "imap", "mock")
# While an account is in one of these, it has no events but those about itself.
# Assumption: only a running account has events
SILENT = frozenset({"disconnected", "errored", "paused"})
STATUSES = frozenset({"running", "degraded", "partial", *SILENT})


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A linked account.

    Args:
        id: Begins with ``acc_``.
        provider: One of `PROVIDERS`.
        name: What Unipile shows of it: a name, an address or a number.
        status: One of `STATUSES`.
    """

    id: str
    provider: str = "linkedin"
    name: str | None = None
    status: str = "running"


class Accounts:
    """Those that are linked, and those that were."""

    def __init__(self) -> None:
        self._linked: dict[str, Account] = {}
        self._removed: dict[str, Account] = {}

    def __iter__(self) -> Iterator[Account]:
        return iter(self._linked.values())

    def __contains__(self, account_id: object) -> bool:
        return account_id in self._linked

    def get(self, account_id: str) -> Account | None:
        """Give a linked account; none where there is no such one."""
        return self._linked.get(account_id)

    def add(self, account: Account) -> None:
        """Link an account, or put another in the place of one with the same id.

        Raises:
            ValueError: The id, the provider or the status is none, or there are too many.
        """
        if not account.id.startswith("acc_"):
            raise ValueError(f"an account's id begins with acc_, and this is {account.id!r}")
        if account.provider not in PROVIDERS:
            raise ValueError(f"a provider is one of {', '.join(PROVIDERS)}")
        if account.status not in STATUSES:
            raise ValueError(f"a status is one of {', '.join(sorted(STATUSES))}")
        if len(self._linked) >= MOST_ACCOUNTS and account.id not in self._linked:
            raise ValueError(f"there are {MOST_ACCOUNTS} accounts already")
        self._removed.pop(account.id, None)
        self._linked[account.id] = account

    def remove(self, account_id: str) -> None:
        """Remove an account; endpoints that name it go on naming it.

        Raises:
            ValueError: There is no such one.
        """
        # Assumption: endpoints go on naming a removed account
        self._removed[account_id] = self.needed(account_id)
        del self._linked[account_id]
        while len(self._removed) > MOST_ACCOUNTS:
            del self._removed[next(iter(self._removed))]

    def change_status(self, account_id: str, status: str) -> None:
        """Take note that an account is in another status.

        Raises:
            ValueError: There is no such account, or no such status.
        """
        self.add(msgspec.structs.replace(self.needed(account_id), status=status))

    def needed(self, account_id: str) -> Account:
        """Give a linked account.

        Raises:
            ValueError: There is no such one.
        """
        found = self._linked.get(account_id)
        if found is None:
            raise ValueError(f"no account {account_id!r} is linked")
        return found

    def target(self, account_id: str) -> dict[str, object]:
        """Describe an account as an endpoint's answer does."""
        linked = self._linked.get(account_id)
        account = linked or self._removed.get(account_id) or Account(id=account_id)
        return {
            "object": "WebhookEndpointAccountTarget",
            "id": account_id,
            "account_name": account.name,
            "account_provider": account.provider,
            "status": "deleted" if linked is None else "active",
        }
