"""An endpoint: a configured ingress path for one sender."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, cast

from relay.contract.patterns import Pattern
from relay.provider import Provider
from relay.rule import Rule

ChangedBody = Literal["drop", "store"]
Replay = Literal["usual", "strict"]
Made = TypeVar("Made")

# Enough to tell the secrets of one endpoint from each other.
FINGERPRINT_CHARACTERS = 8


class Secret:
    """A sender's secret, which never shows itself.

    Args:
        value: The secret's text.
        name: Where it was read from; safe to print.
        not_before_ms: From when on it counts, ms since the epoch; none for always.
        not_after_ms: Until when, that moment included; none for always.
    """

    __slots__ = ("_keyed", "_made", "_value", "name", "not_after_ms", "not_before_ms")

    def __init__(
        self,
        value: str,
        name: str,
        not_before_ms: int | None = None,
        not_after_ms: int | None = None,
    ) -> None:
        self._value = value.encode("utf-8", "surrogateescape")  # as the environment gives bytes
        self._keyed: dict[str, hmac.HMAC] = {}
        self._made: dict[object, object] = {}
        self.name = name
        self.not_before_ms = not_before_ms
        self.not_after_ms = not_after_ms

    @property
    def is_bounded(self) -> bool:
        """Whether there is a time at which it does not count."""
        return self.not_before_ms is not None or self.not_after_ms is not None

    @property
    def fingerprint(self) -> str:
        """The beginning of its SHA-256: tells two contents of one file or variable apart."""
        return hashlib.sha256(self._value).hexdigest()[:FINGERPRINT_CHARACTERS]

    def counts_at(self, at_ms: int) -> bool:
        """Say whether it proves a delivery that is judged at a time.

        Args:
            at_ms: The time, ms since the epoch.
        """
        if self.not_before_ms is not None and at_ms < self.not_before_ms:
            return False
        return self.not_after_ms is None or at_ms <= self.not_after_ms

    def without_bounds(self) -> "Secret":
        """Give one that counts at any time."""
        return Secret(self._value.decode("utf-8", "surrogateescape"), self.name)

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

    def made(self, make: Callable[[bytes], Made]) -> Made:
        """Give what a function makes of the secret's bytes, which is done once for each.

        Args:
            make: The same object each time.
        """
        made = self._made.get(make)
        if made is None:
            made = self._made[make] = make(self._value)
        return cast("Made", made)

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"

    def __reduce__(self) -> Any:  # noqa: ANN401 - the signature that pickle asks for
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Everything the rooms need to know of one ingress path.

    Args:
        name: ``[a-z0-9][a-z0-9-]{0,62}``; the last part of its URL.
        provider: The kind of sender.
        secrets: All that there are, the newest first; several while one is being replaced.
        tolerance_seconds: How far a signed timestamp may be from now, both ways.
        late_tolerance_seconds: How much older it may be beyond that.
        window_seconds: How long event ids are remembered.
        partitions: Over how many tags its events are spread, by account.
        max_types: How many streams a tag may have.
        max_new_types_per_hour: How many may begin in an hour where no signature covers the type.
        changed_body: What becomes of a known event id that comes with another body.
        replay: ``strict`` takes equal bodies for one event, where the scheme signs no time.
        accounts: Only these are taken; empty means all.
        event_types: Only types that match one of these are taken; empty means all.
        filters: Of what is left, the first rule that fits an event drops or diverts it.
        public_url: Its URL as the sender knows it, without a query; signed by some.
        topics: The only topics whose messages are taken, where the sender has topics.
        webhook_id: What the sender calls this endpoint, where it signs that.
        certificate: PEM of the only certificate that is taken, instead of fetched ones.
        roots: PEM of what fetched certificates must lead to, instead of what the system trusts.
        verify_token: What the sender shows when it tries the endpoint, if it does.
        origins: Who may be told that it may send here, where senders ask; ``*`` is anyone.
        renamed: What whoever made the webhook called its outermost keys or fields instead.
        dry_run: What proves nothing is taken too, and marked, instead of being refused.
    """

    name: str
    provider: Provider
    secrets: tuple[Secret, ...] = field(repr=False)
    tolerance_seconds: int = 300
    late_tolerance_seconds: int = 0
    window_seconds: int = 72 * 3600
    partitions: int = 1
    max_types: int = 1000
    max_new_types_per_hour: int = 20
    changed_body: ChangedBody = "drop"
    replay: Replay = "usual"
    accounts: frozenset[str] = frozenset()
    event_types: tuple[Pattern, ...] = ()
    filters: tuple[Rule, ...] = ()
    public_url: str | None = None
    topics: frozenset[str] = frozenset()
    webhook_id: str | None = None
    certificate: bytes | None = None
    roots: bytes | None = None
    verify_token: Secret | None = field(default=None, repr=False)
    origins: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    _has_bounded: bool = field(init=False, repr=False, compare=False, default=False)

    def __post_init__(self) -> None:
        # Asked for by each delivery, and seldom so.
        object.__setattr__(self, "_has_bounded", any(one.is_bounded for one in self.secrets))

    def secrets_at(self, at_ms: int) -> tuple[Secret, ...]:
        """Give the secrets that count at a time.

        Args:
            at_ms: The time, ms since the epoch.
        """
        if not self._has_bounded:
            return self.secrets
        return tuple(secret for secret in self.secrets if secret.counts_at(at_ms))

    def as_of(self, at_ms: int) -> "Endpoint":
        """Give the endpoint as it would judge a delivery of any age now.

        Args:
            at_ms: What is now, ms since the epoch: the secrets that count then are all it has.
        """
        counting = tuple(secret.without_bounds() for secret in self.secrets_at(at_ms))
        return replace(self, secrets=counting)

    @property
    def source(self) -> str:
        """The CloudEvents source of its events."""
        return f"/webhooks/{self.name}"

    @property
    def signature_good_seconds(self) -> int:
        """How long one signed delivery would be taken, from the first to the last moment."""
        return 2 * self.tolerance_seconds + self.late_tolerance_seconds
