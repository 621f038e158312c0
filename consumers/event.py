"""The event as a handler sees it."""

import asyncio
import hashlib
import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from consumers.effects.once import KEEP_SECONDS, FailedOn, IfUnknown, Once, Steps
from consumers.lease import UNBOUNDED, Lease
from relay.contract import event as contract
from relay.contract.entry import assurance_of, decode
from relay.contract.event import Assurance, decompressed

# A body is at most 10 MiB by default; what it unpacks to is bounded as well.
MAX_UNPACKED_BYTES = 256 * 1024 * 1024


# Of an entry that was found to hold an event.
Fields = Mapping[bytes, bytes]


class Effects(Steps, Protocol):
    """What the store does on behalf of an event."""

    def key(self, name: str) -> str:
        """Make a key that a commit may use."""

    async def commit(
        self, script: str, keys: Sequence[str], args: Sequence[str | bytes | float]
    ) -> Any:  # noqa: ANN401 - whatever the script returns
        """Run a script and acknowledge the entry, both or neither."""


class Event:
    """One event, handed to a handler at least once.

    The ``id`` is the same each time, so a handler that must not act twice remembers it.

    Args:
        stored: What the entry holds, or its fields, which are read when they are asked for: most
            handlers ask for the body only.
        entry_id: The entry's id in its stream.
        attempt: Which run of the handler this is, from 1.
        effects: Does what `once` and `commit` ask for; none where there is no store.
        first_seen: When the first run in this group began, seconds since the epoch.
        lease: Whether it is still this process's.
        tag: The endpoint, or the partition of it, whose stream it stands in; none for the endpoint.
    """

    __slots__ = (
        *("_effects", "_fields", "_identity", "_lease", "_stored", "_tag"),
        *("attempt", "entry_id", "first_seen"),
    )

    def __init__(  # noqa: PLR0913 - each is known of an entry by itself
        self,
        stored: contract.Event | Fields,
        *,
        entry_id: str,
        attempt: int,
        effects: Effects | None = None,
        first_seen: float = 0.0,
        lease: Lease = UNBOUNDED,
        tag: str | None = None,
    ) -> None:
        self._stored: contract.Event | None = None
        self._fields: Fields | None = None
        if isinstance(stored, contract.Event):
            self._stored = stored
        else:
            self._fields = stored
        self._effects = effects
        self._identity: str | None = None
        self._lease = lease
        self._tag = tag
        self.entry_id = entry_id
        self.attempt = attempt
        self.first_seen = first_seen

    @property
    def stored(self) -> contract.Event:
        """What the entry holds, in the form of the stream contract.

        Raises:
            UnreadableEntry: A field that it need not have is not of its form.
        """
        if self._stored is None:
            self._stored = decode(self._fields or {})
        return self._stored

    @property
    def id(self) -> str:
        """The sender's event id."""
        return self.stored.id if self._fields is None else self._fields[b"id"].decode()

    @property
    def type(self) -> str:
        """The event type; names the stream."""
        return self.stored.type if self._fields is None else self._fields[b"type"].decode()

    @property
    def source(self) -> str:
        """``/webhooks/<endpoint>``."""
        return self.stored.source if self._fields is None else self._fields[b"source"].decode()

    @property
    def endpoint(self) -> str:
        """The endpoint that received it."""
        return self.source.rpartition("/")[2]

    @property
    def tag(self) -> str:
        """The endpoint, or ``<endpoint>#<n>`` where it has partitions; stands in keys' braces."""
        return self._tag or self.endpoint

    @property
    def account(self) -> str | None:
        """Whose event it is, if the provider has accounts."""
        return self.stored.account

    @property
    def time(self) -> str | None:
        """The sender's time, RFC 3339, if it sent a valid one."""
        return self.stored.time

    @property
    def received_at(self) -> float:
        """When the gateway received it, seconds since the epoch."""
        if self._fields is not None:
            return int(self._fields[b"receivedat"]) / 1000
        return self.stored.received_at_ms / 1000

    @property
    def content_type(self) -> str | None:
        """The body's content type as sent, if any."""
        return self.stored.content_type

    @property
    def assurance(self) -> Assurance:
        """What was proved of its origin: ``body``, ``sender`` or ``none``."""
        if self._fields is not None:
            return assurance_of(self._fields)
        return self.stored.assurance

    @property
    def data(self) -> bytes:
        """The body, exactly as received."""
        return self.stored.data if self._fields is None else self._fields[b"data"]

    @property
    def headers(self) -> Mapping[str, str]:
        """The allow-listed request headers, names in lower case."""
        return self.stored.headers

    @property
    def traceparent(self) -> str | None:
        """The sender's W3C trace context, if it sent a valid one."""
        return self.stored.traceparent

    @property
    def fence(self) -> int | None:
        """Rises with each owner of an ordered stream; none where the stream has no order."""
        return self._lease.fence

    @property
    def lease_lost(self) -> bool:
        """Whether another process may have taken the event over, since this one stood still."""
        return self._lease.is_lost()

    def unpacked(self) -> bytes:
        """Give the body, unpacked if it came compressed.

        Raises:
            ValueError: The body is not in the encoding it names, or would be too long.
        """
        if self._fields is not None and b"datacontentencoding" not in self._fields:
            return self._fields[b"data"]
        return decompressed(self.data, self.stored.content_encoding, MAX_UNPACKED_BYTES)

    def json(self) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Parse the body, unpacked if it came compressed.

        Raises:
            ValueError: The body is not JSON, or not in the encoding it names.
        """
        plain = self.unpacked()
        try:
            return msgspec.json.decode(plain)
        except msgspec.DecodeError:
            # Half an emoji, as senders leave it when they cut a text, is JSON to Python only.
            return json.loads(plain)

    @property
    def identity(self) -> str:
        """32 hex digits that name this event, to remember what was done for it.

        The same in every run, and for every copy that an operator gives to a handler again. Made
        of endpoint, id, body, and whether anything was proved: an id alone can be guessed, and
        may come again with another body where `changed_body` is ``store``.
        """
        if self._identity is None:
            self._identity = _identity_of(self.stored)
        return self._identity

    def once(
        self,
        name: str,
        *,
        if_unknown: IfUnknown = "run",
        failed_on: FailedOn = (),
        keep_seconds: float = KEEP_SECONDS,
    ) -> Once:
        """Give a step of this event that is skipped once it is done.

        Use it as ``async with event.once("charge") as step`` with ``if step.needed:`` within, or
        as ``await event.once("charge").run(function, …)``.

        Args:
            name: Of the step within the event, 1 to 200 characters.
            if_unknown: ``run`` again what was begun by an earlier run and not ended, or ``raise``
                `OutcomeUnknown`.
            failed_on: Exceptions which tell that the effect certainly did not happen. After any
                other the outcome is unknown.
            keep_seconds: How long the event's steps are remembered, a year at most.

        Raises:
            ValueError: One of these is not what it must be.
            RuntimeError: The event is not from a store, or the handler is no coroutine.
        """
        return Once(
            self._doing("once"),
            self.identity,
            name,
            if_unknown=if_unknown,
            failed_on=failed_on,
            keep_seconds=keep_seconds,
        )

    def key(self, name: str) -> str:
        """Make a key for `commit`: in the event's slot, of this group, never expiring by itself.

        Args:
            name: 1 to 200 characters.
        """
        return self._in_store("key").key(name)

    def commit(
        self,
        script: str,
        keys: Sequence[str] = (),
        args: Sequence[str | bytes | float] = (),
    ) -> Coroutine[Any, Any, Any]:
        """Run a script and acknowledge the event in one step: both happen, or neither.

        To be awaited, as the last thing that the handler does: what it raises afterwards does not
        bring the event back.

        Args:
            script: Lua, with ``KEYS`` and ``ARGV`` of its own; always the same text.
            keys: All that it touches, made by `key`.
            args: What else it needs.

        Returns:
            The script's reply, when awaited.

        Raises:
            ValueError: A key may lie in another slot, or is not the group's.
            TypeError: An argument is neither text nor bytes nor a number.
            LeaseLost: The event is in other hands by now, or settled: nothing ran.
            redis.exceptions.ResponseError: The script failed; the event is not settled.
            RuntimeError: The event is committed already or not from a store, or the handler is no
                coroutine.
        """
        effects = self._doing("commit")
        committing = effects.commit(script, keys, args)
        effects.note(committing)
        return committing

    def _doing(self, what: str) -> Effects:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            # In a thread nobody would await it: the event would be done, and its effect not.
            raise RuntimeError(f"event.{what} needs a coroutine: async def") from None
        return self._in_store(what)

    def _in_store(self, what: str) -> Effects:
        if self._effects is None:
            raise RuntimeError(f"event.{what} needs a store, which this handler has not got")
        return self._effects

    def __repr__(self) -> str:
        return f"<Event {self.type} {self.id!r} attempt {self.attempt}>"


def _identity_of(stored: contract.Event) -> str:
    digest = hashlib.blake2b(digest_size=16)
    proved = b"" if stored.assurance == "none" else b"proved"
    # Each with its length before it, so that no two events run into the same bytes.
    for part in (_bytes(stored.source), _bytes(stored.id), stored.data, proved):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
