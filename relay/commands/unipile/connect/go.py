"""The steps of ``relay unipile connect``, in their order, each said in a line."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from relay.commands.secrets.known import EndpointSettings
from relay.commands.secrets.words import ago, say_often
from relay.commands.store import Store, opened
from relay.commands.unipile.connect.arrival import (
    BLOCK_SECONDS,
    Arrival,
    Awaited,
    first_delivery,
)
from relay.commands.unipile.connect.reach import reach
from relay.commands.unipile.connect.register import Registered, Wish, register
from relay.commands.unipile.endpoints.registering import not_as_asked
from relay.commands.unipile.keeping import Keeping
from relay.commands.unipile.taking import START_AGAIN, Say, take_over
from relay.contract.display import time_text
from relay.contract.printable import printable
from relay.endpoint import Secret

if TYPE_CHECKING:
    from relay.commands.unipile.asking import Asking

DID = {
    "created": "Unipile has a new endpoint",
    "changed": "Unipile has this endpoint already; it was taken over and changed as wanted",
    "found": "Unipile has this endpoint already; it was taken over as it is",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done.

    Args:
        keeping: Keeps the secret.
        wish: What Unipile's endpoint is to be like.
        settings: Where the store is.
        redis_url: What ``--redis-url`` said, if anything.
        unchecked: The URL is not tried.
        wait_seconds: For the first delivery; 0 for not.
        reload_seconds: How long gateways may take.
        say: Takes a line.
    """

    keeping: Keeping
    wish: Wish
    settings: EndpointSettings
    redis_url: str | None
    unchecked: bool
    wait_seconds: float
    reload_seconds: float
    say: Say


@dataclass(slots=True)
class Done:
    """What has come of it.

    Args:
        row: For programs.
        is_fine: Nothing is left to do.
    """

    row: dict[str, object] = field(default_factory=dict)
    is_fine: bool = True


async def go(task: Task, asking: "Asking") -> Done:
    """Take every step.

    Args:
        task: What is to be done.
        asking: Opens Unipile's interface.

    Raises:
        CommandFailed: A step could not be taken; nothing is left that running it again would not
            mend.
        UnipileFailed: Unipile did not do what was asked.
    """
    async with opened(task.settings, block_seconds=BLOCK_SECONDS) as store, asking as api:
        since_ms = await _now_ms(store)
        if not task.unchecked:
            await reach(task.wish.url)
            task.say(f"{printable(task.wish.url, 300)} leads to a gateway of the relay.")
        registered = await register(api, task.wish, task.keeping)
        _say_registered(task, registered)
        kept = _say_kept(task, registered)
        are_told = await take_over(store, task.reload_seconds, task.say)
        if not are_told:
            task.say(START_AGAIN)
        row: dict[str, object] = {
            "endpoint": task.keeping.name,
            "url": registered.endpoint.url,
            "id": registered.endpoint.id,
            "did": registered.did,
            "secret": kept,
            "taken_over": are_told,
            "first": None,
        }
        if not task.wait_seconds:
            task.say("Not waited for a delivery. `relay tail` shows what comes.")
            return Done(row)
        awaited = Awaited(
            endpoint=task.keeping.name,
            fingerprint=Secret(registered.endpoint.secret, "Unipile").fingerprint,
            since_ms=since_ms,
            redis_url=task.redis_url,
        )
        return await _wait(task, store, awaited, row)


def _say_kept(task: Task, registered: Registered) -> str | None:
    """Say where the secret is, and give its new file, if there is one."""
    if registered.kept is None:
        task.say("Its secret is here already.")
        return None
    kept, draft = registered.kept
    task.say(f"Its secret is in {printable(kept.path)}, and named in {printable(draft.path)}.")
    if kept.advice:
        task.say(kept.advice)
    return str(kept.path)


async def _wait(task: Task, store: Store, awaited: Awaited, row: dict[str, object]) -> Done:
    seconds = task.wait_seconds
    task.say(
        f"Waiting up to {seconds:g} seconds for the first delivery: have something happen, a "
        "message to yourself for example. Ctrl-C ends the waiting only."
    )
    arrival = await first_delivery(store, awaited, seconds, task.say)
    if arrival is None:
        task.say(_nothing(awaited.endpoint, seconds))
        return Done(row, is_fine=False)
    task.say(_said(arrival, awaited.endpoint))
    event = arrival.event
    if event is not None:
        row["first"] = {
            "type": event.type,
            "account": event.account,
            "id": event.id,
            "stream": arrival.stream,
            "received": time_text(event.received_at_ms),
        }
    return Done(row)


def _said(arrival: Arrival, endpoint: str) -> str:
    now_ms = time.time_ns() // 1_000_000
    event = arrival.event
    if event is None:
        return (
            f"The secret was {say_often(arrival.used, now_ms)}. `relay endpoints show {endpoint}` "
            "says what became of it."
        )
    account = f" of {printable(event.account, 80)}" if event.account else ""
    return (
        f"The first delivery has come: {printable(event.type, 80)}{account}, event "
        f"{printable(event.id, 80)}, in {printable(arrival.stream, 200)}, "
        f"{ago(event.received_at_ms, now_ms)}."
    )


def _nothing(endpoint: str, seconds: float) -> str:
    return (
        f"Nothing that this secret proves has come within {seconds:g} seconds; all stays set up. "
        f"Has anything happened at an account? `relay rejections list {endpoint}` shows what was "
        "refused, and `relay unipile reconcile` what Unipile could not deliver."
    )


def _say_registered(task: Task, registered: Registered) -> None:
    endpoint = registered.endpoint
    accounts = len(endpoint.accounts) or "all"
    task.say(
        f"{DID[registered.did]}: {printable(endpoint.id, 80)}, with {len(endpoint.events)} types "
        f"of event, of {accounts} accounts."
    )
    for sentence in not_as_asked(registered.differ):
        task.say(sentence)
    for other in registered.others:
        task.say(
            f"Unipile has {printable(other.id, 80)} with the same URL too, and its secret is not "
            "here, so what it sends is refused: `relay unipile endpoints delete "
            f"{printable(other.id, 80)}` removes it."
        )


async def _now_ms(store: Store) -> int:
    """Give the store's time, by which its entries are named; it is reached at all, then."""
    seconds, microseconds = await store.redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000
