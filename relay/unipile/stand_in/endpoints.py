"""The registered endpoints: what a request may say of one, and which take an event.

A request's body comes in, an endpoint or a refusal in the API's words goes out.

Source: https://github.com/unipile/unipile-python, docs/WebhooksApi.md and its models.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, UnsetType

from relay.contract.printable import printable
from relay.unipile.stand_in.accounts import Accounts
from relay.unipile.stand_in.ids import APPLICATION, new_id, new_secret
from relay.unipile.stand_in.refused import Refused
from relay.unipile.stand_in.rules import MOST_ENDPOINTS, Rules

MOST_CHARACTERS = 255

Said = Callable[[str], None]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A registered endpoint, as it stands.

    Args:
        id: Begins with ``we_``.
        url: Where its deliveries go.
        secret: What signs them; begins with ``wes_``.
        trigger_events: The types it takes.
        account_ids: The accounts it takes; none means every one, also those that come later.
        description: Somebody's words.
        enabled: Whether it takes anything.
    """

    id: str
    url: str
    secret: str
    trigger_events: tuple[str, ...]
    account_ids: tuple[str, ...] = ()
    description: str | None = None
    enabled: bool = True


# Other fields are passed over.
# Assumption: unknown fields of a request are ignored
class Wish(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a request says of an endpoint; anything may be missing.

    Args:
        trigger_events: At least one name.
        url: At most 255 characters.
        account_ids: Linked accounts; an empty list means every one.
        description: At most 255 characters, or null.
        enabled: Only an update says it.
    """

    # Assumption: an endpoint takes one type at least
    trigger_events: Annotated[list[str], Meta(min_length=1)] | UnsetType = UNSET
    url: Annotated[str, Meta(max_length=MOST_CHARACTERS)] | UnsetType = UNSET
    account_ids: list[str] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=MOST_CHARACTERS)] | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class Endpoints:
    """Those that are registered, oldest first.

    Args:
        accounts: Which may be named.
        rules: Which types may be named, and what an update does.
        say: Is told in a line what has become of one.
    """

    def __init__(self, accounts: Accounts, rules: Rules, say: Said) -> None:
        self._accounts = accounts
        self._rules = rules
        self._say = say
        self._all: dict[str, Endpoint] = {}

    def __contains__(self, endpoint_id: object) -> bool:
        return endpoint_id in self._all

    @property
    def all(self) -> dict[str, Endpoint]:
        """Give each by its id."""
        return dict(self._all)

    def get(self, endpoint_id: str) -> Endpoint:
        """Give one.

        Raises:
            Refused: There is no such one.
        """
        found = self._all.get(endpoint_id)
        if found is None:
            raise Refused(404, "There is no webhook endpoint with this id.")
        return found

    def create(self, body: bytes) -> Endpoint:
        """Register one.

        Args:
            body: The request's JSON.

        Raises:
            Refused: It says too little, or what cannot be.
        """
        wish = self._read(body)
        if isinstance(wish.url, UnsetType) or isinstance(wish.trigger_events, UnsetType):
            raise Refused(400, "url and trigger_events are required.")
        if len(self._all) >= MOST_ENDPOINTS:
            raise Refused(400, f"There are {MOST_ENDPOINTS} webhook endpoints already.")
        # Assumption: a new endpoint is enabled
        wish.enabled = UNSET
        made = Endpoint(id=new_id("we"), secret=new_secret(), **_said(wish))
        # Assumption: two endpoints may have one url
        self._all[made.id] = made
        self._say(f"endpoint {made.id} created: {_words(made)}")
        return made

    def register(
        self, url: str, trigger_events: Iterable[str], account_ids: Iterable[str]
    ) -> Endpoint:
        """Register one without a request.

        Raises:
            ValueError: A request would be refused; with the API's words.
        """
        wish = {"url": url, "trigger_events": [*trigger_events], "account_ids": [*account_ids]}
        try:
            return self.create(msgspec.json.encode(wish))
        except Refused as refused:
            raise ValueError(refused.detail) from None

    def update(self, endpoint_id: str, body: bytes) -> Endpoint:
        """Change one; what the request does not name stays as it is.

        Raises:
            Refused: There is no such one, or the request says what cannot be.
        """
        before = self.get(endpoint_id)
        wish = self._read(body)
        if self._rules.omitted_accounts_reset and isinstance(wish.account_ids, UnsetType):
            wish.account_ids = []
        # Assumption: a list in an update replaces the old one
        after = msgspec.structs.replace(before, **_said(wish))
        self._all[endpoint_id] = after
        self._say(f"endpoint {endpoint_id} updated: {_words(after)}")
        return after

    def delete(self, endpoint_id: str) -> None:
        """Remove one.

        Raises:
            Refused: There is no such one.
        """
        self.get(endpoint_id)
        del self._all[endpoint_id]
        self._say(f"endpoint {endpoint_id} deleted")

    def taking(self, event_type: str, account_id: str) -> list[Endpoint]:
        """Give the endpoints that take an event."""
        return [each for each in self._all.values() if self._takes(each, event_type, account_id)]

    def answer(self, endpoint: Endpoint) -> dict[str, object]:
        """Describe one as the API does, its secret included."""
        return {
            "object": "WebhookEndpoint",
            "application_id": APPLICATION,
            **msgspec.structs.asdict(endpoint),
            "account_targets": [self._accounts.target(each) for each in endpoint.account_ids],
        }

    def _takes(self, endpoint: Endpoint, event_type: str, account_id: str) -> bool:
        # Assumption: a type that nobody can name goes to every endpoint
        is_named = event_type in endpoint.trigger_events or event_type not in self._rules.types
        is_open = not endpoint.account_ids or account_id in endpoint.account_ids
        return endpoint.enabled and is_named and is_open

    def _read(self, body: bytes) -> Wish:
        try:
            wish = msgspec.json.decode(body, type=Wish)
        except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
            raise Refused(400, str(fault)) from None
        self._judge(wish)
        return wish

    def _judge(self, wish: Wish) -> None:
        if isinstance(wish.url, str) and not _is_web_address(wish.url):
            raise Refused(400, "url must be an HTTP or HTTPS address.")
        for name in wish.trigger_events or ():
            if name not in self._rules.types:
                # Assumption: an unknown type is refused with 400
                raise Refused(400, f"trigger_events: {name} is not a known event type.")
        for account_id in wish.account_ids or ():
            if account_id not in self._accounts:
                # Assumption: an account that is not linked is refused with 400
                raise Refused(400, f"account_ids: {account_id} is not a linked account.")


def _said(wish: Wish) -> dict[str, Any]:
    """Give what a request says, with lists as they are kept."""
    said = msgspec.structs.asdict(wish)
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in said.items()
        if value is not UNSET
    }


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _words(endpoint: Endpoint) -> str:
    # A query may hold a token, and a host may come after a password.
    parts = urlsplit(endpoint.url)
    shown = printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
    accounts = f"{len(endpoint.account_ids)} accounts" if endpoint.account_ids else "every account"
    state = "" if endpoint.enabled else ", disabled"
    return f"{shown}, {len(endpoint.trigger_events)} types, {accounts}{state}"
