"""``relay reload``: every gateway of a store reads its configuration anew, and says what came."""

import asyncio
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from relay.commands.options import AsJson, RedisUrl
from relay.commands.store import Store, environment, opened, store_settings
from relay.contract.config import FileSettings
from relay.contract.connect import text_of
from relay.contract.display import show_json, tell
from relay.contract.explain import FAILED, CommandFailed
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.contract.reload import (
    ReloadAnswer,
    ReloadRequest,
    ask_for_reload,
    last_news,
    read_answer,
)

# Longer than a gateway that has lost its connection for a moment takes to make another.
HEAR_SECONDS = 6.0
# How long others may take to say that they are at it, when one has said so.
OTHERS_SECONDS = 2.0
BLOCK_SECONDS = 0.25
ENTRIES_PER_READ = 100
NOBODY = """\
No gateway answered. Does `relay serve` run on this store, with this prefix, and may its user read
the control stream? SIGHUP to it does the same and needs no store. Programs that embed the relay
read their configuration at their start only."""
SAID = {
    "begun": "is still at it",
    "taken_over": "has taken the configuration over",
    "refused": "has refused the configuration whole, and goes on with the old one:",
    "failed": "could not start new processes; see its log",
}

Wait = Annotated[
    float, typer.Option(min=1, help="How many seconds gateways may take until all is done.")
]


def reload(wait: Wait = 60.0, redis_url: RedisUrl = None, as_json: AsJson = False) -> None:
    """Have every gateway of this store read its configuration anew.

    No delivery is dropped. Each reads its own file, on its own machine. A line per gateway says
    what became of it, with each fault of a configuration that was refused. The exit code is 0 if
    all have taken it over. With --json an array of objects with the keys host, pid, outcome
    (taken_over, refused, failed, or begun where it took too long) and faults.
    """
    settings = store_settings(environment(), redis_url)
    answers = run(reload_all(settings, wait))
    if as_json:
        show_json([_row(answer) for answer in answers])
    else:
        for line in lines_of(answers):
            tell(line)
    if not answers:
        raise CommandFailed(NOBODY)
    if any(answer.outcome != "taken_over" for answer in answers):
        raise typer.Exit(FAILED)


def _row(answer: ReloadAnswer) -> dict[str, object]:
    return {
        "host": answer.host,
        "pid": answer.pid,
        "outcome": answer.outcome,
        "faults": list(answer.faults),
    }


def lines_of(answers: Iterable[ReloadAnswer]) -> Iterator[str]:
    """Say of each gateway what became of it, with each fault of a configuration it refused."""
    for answer in answers:
        yield f"{printable(answer.host)} (process {answer.pid}) {SAID[answer.outcome]}"
        for fault in answer.faults:
            yield f"  {printable(fault, 1000)}"


@dataclass
class _Hearing:
    """What gateways have said about one request.

    Args:
        request: Its name.
        wait_seconds: How long they may take.
        answers: The last of each gateway.
    """

    request: str
    wait_seconds: float
    answers: dict[str, ReloadAnswer] = field(default_factory=dict)

    def take(self, answer: ReloadAnswer | None) -> None:
        """Take note of an answer; one that was sent twice counts once."""
        if answer is None or answer.request != self.request:
            return
        known = self.answers.get(answer.gateway)
        if known is None or known.outcome == "begun":
            self.answers[answer.gateway] = answer

    def is_over(self, passed_seconds: float) -> bool:
        """Tell whether there is nothing to wait for, so long after it was asked."""
        if passed_seconds >= self.wait_seconds:
            return True
        if not self.answers:
            return passed_seconds >= HEAR_SECONDS
        done = all(answer.outcome != "begun" for answer in self.answers.values())
        return done and passed_seconds >= OTHERS_SECONDS


async def reload_all(settings: FileSettings, wait_seconds: float) -> list[ReloadAnswer]:
    """Ask all gateways of a store to read their configuration anew.

    Args:
        settings: Where the store is.
        wait_seconds: How long they may take until all is done.

    Returns:
        The last that each has said, by host and process; empty where nobody has answered.

    Raises:
        RedisError, OSError: The store refuses it, or is away.
    """
    async with opened(settings, block_seconds=BLOCK_SECONDS) as store:
        hearing = _Hearing(secrets.token_hex(8), wait_seconds)
        read_to = await last_news(store.redis, store.keys)
        request = ReloadRequest(hearing.request, min(HEAR_SECONDS, wait_seconds))
        await ask_for_reload(store.redis, store.keys, request)
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        while not hearing.is_over(loop.time() - asked_at):
            read_to = await _hear(store, read_to, hearing)
    return sorted(hearing.answers.values(), key=lambda answer: (answer.host, answer.pid))


async def _hear(store: Store, read_to: str, hearing: _Hearing) -> str:
    """Read what has come on the control stream, and give how far that is."""
    asked: Any = {store.keys.control: read_to}
    batch: Any = await store.redis.xread(
        asked, count=ENTRIES_PER_READ, block=round(1000 * BLOCK_SECONDS)
    )
    for _, entries in batch or []:
        for entry_id, fields in entries:
            read_to = text_of(entry_id)
            hearing.take(read_answer(fields or {}))
    return read_to
