"""The steps of ``relay unipile connect``, in their order, each said in a line."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from relay.commands.secrets.known import EndpointSettings, read_book
from relay.commands.secrets.words import ago, say_often
from relay.commands.store import Store, opened
from relay.commands.unipile.connect.arrival import (
    BLOCK_SECONDS,
    Arrival,
    Awaited,
    first_delivery,
)
from relay.commands.unipile.connect.meant import one_meant
from relay.commands.unipile.connect.reach import reach
from relay.commands.unipile.registering.keepers import KeptHere
from relay.commands.unipile.registering.register import Registered, register
from relay.commands.unipile.registering.wanted import WantedEndpoint
from relay.commands.unipile.reloading import START_AGAIN, Say, take_secret_over
from relay.commands.unipile.secret_here import Keeping
from relay.contract.display import time_text
from relay.contract.printable import printable
from relay.endpoint import Secret

if TYPE_CHECKING:
    from relay.commands.unipile.opening import Opening

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
        wanted: What Unipile's endpoint is to be like.
        settings: Where the store is.
        redis_url: What ``--redis-url`` said, if anything.
        unchecked: The URL is not tried.
        wait_seconds: For the first delivery; 0 for not.
        reload_seconds: How long gateways may take.
        say: Takes a line.
    """

    keeping: Keeping
    wanted: WantedEndpoint
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


async def go(task: Task, unipile: "Opening") -> Done:
    """Take every step.

    Args:
        task: What is to be done.
        unipile: Opens Unipile's interface.

    Raises:
        CommandFailed: A step could not be taken; nothing is left that running it again would not
            mend.
        UnipileFailed: Unipile did not do what was asked.
    """
    async with opened(task.settings, block_seconds=BLOCK_SECONDS) as store, unipile as api:
        since_ms = await _now_ms(store)
        if not task.unchecked:
            await reach(task.wanted.url)
            task.say(f"{printable(task.wanted.url, 300)} leads to a gateway of the relay.")
        registered = await register(
            api,
            task.wanted,
            KeptHere(task.keeping),
            lambda there: one_meant(there, task.keeping),
        )
        _say_registered(task, registered)
        name = task.keeping.name
        fingerprint = Secret(registered.endpoint.secret, "Unipile").fingerprint
        proved_before = await _proved_before(store, name, fingerprint, registered)
        are_told = await take_secret_over(store, name, fingerprint, task.reload_seconds, task.say)
        if not are_told:
            task.say(START_AGAIN)
        row: dict[str, object] = {
            "endpoint": name,
            "url": registered.endpoint.url,
            "id": registered.endpoint.id,
            "did": registered.did,
            "secret": None if registered.stored.file is None else str(registered.stored.file),
            "taken_over": are_told,
            "first": None,
        }
        if not task.wait_seconds:
            task.say("Not waited for a delivery. `relay tail` shows what comes.")
            return Done(row)
        awaited = Awaited(
            endpoint=name,
            fingerprint=fingerprint,
            since_ms=since_ms,
            proved_before=proved_before,
            redis_url=task.redis_url,
        )
        return await _wait(task, store, awaited, row)


async def _proved_before(
    store: Store, endpoint: str, fingerprint: str, registered: Registered
) -> int:
    """Say how many deliveries a secret has proved that did not count here until now."""
    if registered.did == "created" or not registered.stored.step:
        return 0
    used = (await read_book(store, endpoint)).proved_by(fingerprint)
    return 0 if used is None else used.count


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
    for sentence in registered.doubts:
        task.say(sentence)
    for other in registered.others:
        task.say(
            f"Unipile has {printable(other.id, 80)} with the same URL too, and its secret is not "
            "here, so what it sends is refused: `relay unipile endpoints delete "
            f"{printable(other.id, 80)}` removes it."
        )
    for sentence in registered.stored.says:
        task.say(sentence)


async def _now_ms(store: Store) -> int:
    """Give the store's time, by which its entries are named; it is reached at all, then."""
    seconds, microseconds = await store.redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000
