"""What is said on the control stream about a reload: asked for by a command, answered by gateways.

Values come in, fields of an entry go out, and back. An answer has bounds, whatever it tells of:
the stream is read by everybody who waits for news.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from redis.asyncio import Redis

from relay.contract.connect import ResponseError, text_of
from relay.contract.control import tell
from relay.contract.keys import Keys

REQUEST = "reload"
ANSWER = "reload-answer"
# Together less than a usual event.
MOST_FAULTS = 20
FAULT_LENGTH = 200
WORD_LENGTH = 64

Outcome = Literal["begun", "taken_over", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class ReloadRequest:
    """Somebody wants every gateway of a store to read its configuration anew.

    Args:
        name: Made up by who asks, so that answers are told apart.
        seconds: How long it counts, by the store's clock. Whoever asked has been told that nobody
            hears when it is over; acting on it afterwards would be a surprise.
    """

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ReloadAnswer:
    """What became of a request at one gateway.

    Args:
        request: The request's name.
        gateway: Made up by the gateway: in containers hosts and process ids may be alike.
        host: Where it runs.
        pid: Its parent's process id there.
        outcome: ``begun`` at once, and one of the others when it is known.
        faults: Of the configuration, where it is refused; none holds a secret.
    """

    request: str
    gateway: str
    host: str
    pid: int
    outcome: Outcome
    faults: tuple[str, ...] = ()


async def ask_for_reload(redis: Redis, keys: Keys, request: ReloadRequest) -> None:
    """Ask all gateways of the store.

    Raises:
        RedisError: The store refuses it, or is away; asking again is safe.
    """
    fields = {"what": REQUEST, "request": request.name, "seconds": f"{request.seconds:g}"}
    await tell(redis, keys, fields)


async def answer_reload(redis: Redis, keys: Keys, answer: ReloadAnswer) -> None:
    """Tell who asked what became of it; of many faults the first ones, and how many more.

    Raises:
        RedisError: The store refuses it, or is away; answering again is safe.
    """
    faults = [cut(fault, FAULT_LENGTH) for fault in answer.faults[:MOST_FAULTS]]
    if more := len(answer.faults) - len(faults):
        faults.append(f"and {more} more; see the gateway's log")
    fields = {
        "what": ANSWER,
        "request": answer.request,
        "gateway": answer.gateway,
        "host": cut(answer.host, WORD_LENGTH),
        "pid": str(answer.pid),
        "outcome": answer.outcome,
        "faults": json.dumps(faults),
    }
    await tell(redis, keys, fields)


def read_request(fields: Mapping[bytes, bytes]) -> ReloadRequest | None:
    """Read news of any kind as a request; none where it is something else."""
    said = _texts(fields)
    try:
        if said["what"] != REQUEST:
            return None
        return ReloadRequest(cut(said["request"], WORD_LENGTH), float(said["seconds"]))
    except (KeyError, ValueError):
        return None


def read_answer(fields: Mapping[bytes, bytes]) -> ReloadAnswer | None:
    """Read news of any kind as an answer; none where it is something else, or cannot be one."""
    said = _texts(fields)
    try:
        if said["what"] != ANSWER or said["outcome"] not in get_args(Outcome):
            return None
        outcome: Any = said["outcome"]
        faults = tuple(str(fault) for fault in json.loads(said["faults"]))
        return ReloadAnswer(
            said["request"], said["gateway"], said["host"], int(said["pid"]), outcome, faults
        )
    except (KeyError, ValueError, TypeError, RecursionError):
        return None


async def last_news(redis: Redis, keys: Keys) -> str:
    """Give the id after which news come that is not there yet.

    Raises:
        RedisError: The store is away, or refuses it.
    """
    try:
        held = await redis.xinfo_stream(keys.control)
    except ResponseError as error:
        if "no such key" in str(error):
            return "0-0"
        raise
    return text_of(held["last-generated-id"])


def cut(text: str, length: int) -> str:
    """Shorten a text, and show that it was longer."""
    return text if len(text) <= length else text[:length] + "…"


def _texts(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {text_of(name): text_of(value) for name, value in fields.items()}
