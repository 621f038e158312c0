"""``relay rejections accept``: stores what was refused, once it verifies or an operator insists."""

import time
from dataclasses import dataclass

import structlog

from relay.commands.rejections.explaining import MOST_CHARACTERS
from relay.commands.rejections.find import find_row, name_of
from relay.commands.rejections.judging import Configured, explained
from relay.commands.rejections.storing import Storing
from relay.commands.store import Store
from relay.contract.errors import CertificateUnavailable, DeliveryRefused, SignatureRefused
from relay.contract.event import Appended, Assurance, Duplicate
from relay.contract.printable import printable
from relay.endpoint import Endpoint
from relay.handshake import Answered
from relay.pipeline import Accepted, Filtered
from relay.rejections.accepted import Acceptance, note_acceptance, read_acceptances
from relay.rejections.judged import delivery_of, used_before
from relay.rejections.rejection import KEPT_BODY_BYTES, Rejection, delivery_headers
from relay.verify import examine_head, unproved
from relay.verify.family import NO_CLAIM

# For requests that were never deliveries.
NO_DELIVERY = frozenset({"handshake_refused", "too_many_secrets"})
TAKEN_BY_DRY_RUN = (
    "taken when it came, since its endpoint was in a dry run: it has assurance none, or a filter "
    "dropped it; it does not verify now either"
)
# What verifies by itself, and is refused for what else is known of it.
PROVES_NOTHING = (
    "The signature is right, but it came with another event before, or is one that the relay "
    "answers to anyone, so it proves nothing."
)

_log = structlog.get_logger("relay.commands.rejections")


@dataclass(frozen=True, slots=True, kw_only=True)
class Force:
    """Who wants what does not verify, and why.

    Args:
        by: The operator, as he calls himself.
        why: His reason.
    """

    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a row.

    Args:
        line: In words, safe to print.
        is_fine: There is nothing left to do about it.
    """

    line: str
    is_fine: bool


class _Impossible(Exception):
    """A row cannot be accepted, whoever wants it."""


@dataclass(frozen=True, slots=True)
class Accepting:
    """Accepts rows one by one.

    Args:
        store: Where they are.
        known: The configuration.
        storing: Stores their events.
        force: Who insists, if anybody does.
    """

    store: Store
    known: Configured
    storing: Storing
    force: Force | None = None

    async def accept(self, wanted: str) -> Said:
        """Accept one row.

        Args:
            wanted: Its ID, or that of the answer.

        Raises:
            CommandFailed: There is no such row.
            RedisError, OSError: The store is away; the event may be stored, and is then known.
        """
        row = await find_row(self.store, list(self.known.endpoints), wanted)
        name = name_of(row)
        before = await self._before(row)
        if before is not None:
            return Said(f"{name}: {before}", is_fine=True)
        try:
            done = await self._store(row)
        except _Impossible as why:
            return Said(f"{name}: not accepted: {why}", is_fine=False)
        except SignatureRefused:
            return await self._refused(row)
        except DeliveryRefused as refusal:
            return Said(f"{name}: not stored, {refusal.reason}: {refusal.title}", is_fine=False)
        if isinstance(done.accepted.result, Filtered):
            return Said(f"{name}: filtered: its endpoint takes no such events", is_fine=True)
        return Said(f"{name}: {await self._note(row, done)}", is_fine=True)

    async def _before(self, row: Rejection) -> str | None:
        """Say what became of a row before, if there is nothing left to do."""
        noted = await read_acceptances(self.store.redis, self.store.keys, row.endpoint, [row.id])
        acceptance = noted.get(row.id)
        if acceptance is not None:
            return f"accepted before, {_entry(acceptance.event_id, acceptance.entry_id)}"
        return None

    async def _store(self, row: Rejection) -> "_Done":
        """Judge a row again, and store its event.

        Raises:
            _Impossible: Nobody can accept it.
            DeliveryRefused: It does not verify and nobody insists, or it was not stored.
        """
        endpoint = self.known.endpoint(row.endpoint).as_of(time.time_ns() // 1_000_000)
        body = _body_of(row, self.known.settings.max_body_bytes)
        await self.storing.look()
        try:
            claim = examine_head(endpoint, delivery_headers(row))
            delivery = delivery_of(row, body, endpoint, claim)
            _check_proof(row, endpoint)
            accepted = await self.storing.pipeline.accept(delivery)
        except (SignatureRefused, CertificateUnavailable):
            # What a dry run took is stored without a proof already.
            if self.force is None or row.is_dry_run:
                raise
            delivery = delivery_of(row, body, endpoint, NO_CLAIM)
            forced = await self.storing.pipeline.take(unproved(delivery))
            return _Done(forced, "none", self.force)
        if isinstance(accepted, Answered):
            raise _Impossible("it is a handshake of its sender, and no event")
        return _Done(accepted, endpoint.provider.scheme.assurance)

    async def _note(self, row: Rejection, done: "_Done") -> str:
        """Take note that a row was accepted, and say so."""
        acceptance = done.acceptance(time.time_ns() // 1_000_000)
        window_seconds = self.known.endpoint(row.endpoint).window_seconds
        redis, keys = self.store.redis, self.store.keys
        await note_acceptance(redis, keys, row.endpoint, row.id, acceptance, window_seconds)
        # Whoever wants few lines wants this one all the same.
        _log.warning(
            "rejection_accepted",
            endpoint=row.endpoint,
            row=row.id,
            outcome=acceptance.outcome,
            assurance=acceptance.assurance,
            by=printable(acceptance.by) or None,
        )
        entry = _entry(acceptance.event_id, acceptance.entry_id)
        if acceptance.outcome == "duplicate":
            return f"a duplicate, it was stored before, {entry}"
        return f"stored, {entry}" + (", assurance none" if done.force else "")

    async def _refused(self, row: Rejection) -> Said:
        if row.is_dry_run:
            return Said(f"{name_of(row)}: {TAKEN_BY_DRY_RUN}", is_fine=True)
        said = await explained(row, self.known, time.time_ns() // 1_000_000)
        is_asked = self.known.endpoint(row.endpoint).provider.scheme.assurance != "none"
        cause = PROVES_NOTHING if said.verdict == "passes" and is_asked else said.cause
        return Said(
            f"{name_of(row)}: not accepted: {printable(cause, MOST_CHARACTERS)} To store it all "
            "the same: --force --by NAME --reason TEXT",
            is_fine=False,
        )


@dataclass(frozen=True, slots=True)
class _Done:
    accepted: Accepted
    assurance: Assurance
    force: Force | None = None

    def acceptance(self, at_ms: int) -> Acceptance:
        result = self.accepted.result
        return Acceptance(
            at_ms=at_ms,
            event_id=self.accepted.event_id,
            entry_id=result.entry_id if isinstance(result, Appended | Duplicate) else "",
            outcome="stored" if isinstance(result, Appended) else "duplicate",
            assurance=self.assurance,
            by=self.force.by if self.force else "",
            why=self.force.why if self.force else "",
        )


def _check_proof(row: Rejection, endpoint: Endpoint) -> None:
    """Refuse what would pass and prove nothing by it.

    Raises:
        SignatureRefused: It was signed for another event, as the gateway found; or its endpoint
            asks for no proof any more, and it was refused when it did.
    """
    if used_before(row) or endpoint.provider.scheme.assurance == "none":
        raise SignatureRefused("signature_mismatch")


def _body_of(row: Rejection, max_body_bytes: int) -> bytes:
    """Give the whole body of what may be a delivery.

    Raises:
        _Impossible: It is none, or its body is not here.
    """
    if row.method != "POST":
        raise _Impossible("it was no POST, and so no delivery")
    if row.reason in NO_DELIVERY:
        raise _Impossible("it is a handshake of its sender, and no event")
    if row.body is None:
        size = "did not come whole" if row.body_bytes is None else f"has {row.body_bytes} bytes"
        raise _Impossible(
            f"its body was not kept: it {size}, and bodies are kept whole up to "
            f"{KEPT_BODY_BYTES} bytes"
        )
    if len(row.body) > max_body_bytes:
        raise _Impossible(f"its body is longer than max_body_bytes ({max_body_bytes})")
    return row.body


def _entry(event_id: str, entry_id: str) -> str:
    return f"as entry {printable(entry_id)} (event {printable(event_id)})"
