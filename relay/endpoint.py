"""An endpoint: a configured ingress path for one sender."""

import hmac
from dataclasses import dataclass, field
from typing import Any, Literal

from relay.contract.patterns import Pattern

ChangedBody = Literal["drop", "store"]


class Secret:
    """A sender's secret, which never shows itself.

    Args:
        value: The secret's text.
        name: Where it was read from; safe to print.
    """

    __slots__ = ("_keyed", "_value", "name")

    def __init__(self, value: str, name: str) -> None:
        self._value = value.encode("utf-8", "surrogateescape")  # as the environment gives bytes
        self._keyed: dict[str, hmac.HMAC] = {}
        self.name = name

    def reveal(self) -> bytes:
        """Give the secret's bytes, for signing or comparing."""
        return self._value

    def keyed(self, digest: str) -> hmac.HMAC:
        """Give a new HMAC with the secret as its key, which is worked in once.

        Args:
            digest: Name of the hash.
        """
        keyed = self._keyed.get(digest)
        if keyed is None:
            keyed = self._keyed[digest] = hmac.new(self._value, digestmod=digest)
        return keyed.copy()

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"

    def __reduce__(self) -> Any:  # noqa: ANN401 - the signature that pickle asks for
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True, slots=True)
class TimestampedHmac:
    """A scheme that signs ``timestamp.body`` and says both in one header.

    Args:
        header: Name of the header, ``t=<unix seconds>,<scheme>=<hex>``.
        version: The key before the signature, ``v0`` at Unipile.
        digest: Hash of the HMAC.
    """

    header: str
    version: str
    digest: str = "sha256"


@dataclass(frozen=True, slots=True)
class Provider:
    """What is known of a kind of sender, as data.

    Args:
        name: The word by which a configuration chooses it.
        scheme: How its deliveries are verified.
        id_key: Key of the event id in the body. It must lie inside the signed bytes.
        type_key: Key of the event type in the body.
        account_key: Key of the account in the body.
        time_key: Key of the sender's time in the body.
        headers: Further request headers worth keeping, in lower case.
    """

    name: str
    scheme: TimestampedHmac
    id_key: str
    type_key: str
    account_key: str
    time_key: str
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Everything the rooms need to know of one ingress path.

    Args:
        name: ``[a-z0-9][a-z0-9-]{0,62}``; the last part of its URL.
        provider: The kind of sender.
        secrets: All that are accepted now; several while one is being replaced.
        tolerance_seconds: How far a signed timestamp may be from now, both ways.
        late_tolerance_seconds: How much older it may be beyond that.
        window_seconds: How long event ids are remembered.
        partitions: Over how many tags its events are spread, by account.
        max_types: How many streams a tag may have.
        changed_body: What becomes of a known event id that comes with another body.
        accounts: Only these are taken; empty means all.
        event_types: Only types that match one of these are taken; empty means all.
    """

    name: str
    provider: Provider
    secrets: tuple[Secret, ...] = field(repr=False)
    tolerance_seconds: int = 300
    late_tolerance_seconds: int = 0
    window_seconds: int = 72 * 3600
    partitions: int = 1
    max_types: int = 1000
    changed_body: ChangedBody = "drop"
    accounts: frozenset[str] = frozenset()
    event_types: tuple[Pattern, ...] = ()

    @property
    def source(self) -> str:
        """The CloudEvents source of its events."""
        return f"/webhooks/{self.name}"

    @property
    def signature_good_seconds(self) -> int:
        """How long one signed delivery would be taken, from the first to the last moment."""
        return 2 * self.tolerance_seconds + self.late_tolerance_seconds
