"""What passes between a worker and a handler's process: frames of MessagePack over a socket.

Both ends are of one version, since the worker starts the process with its own interpreter. What
comes back is read as plain values: a process that a hostile body has taken over gains nothing here.
"""

from asyncio import StreamReader
from dataclasses import fields
from typing import Any, get_args

import msgspec

from consumers.event import Event
from consumers.lease import Lease
from consumers.outcome import Outcome
from relay.contract import event as contract
from relay.contract.logs import LogFormat, LogLevel

LENGTH_BYTES = 4
KINDS = {kind.__name__: kind for kind in get_args(Outcome)}


class Greeting(msgspec.Struct, frozen=True):
    """What a process must know before its first event.

    Args:
        path: Where modules are looked for.
        module: The handler's module.
        name: The handler's function in it.
        payload_at: Which part of the body its payload is.
        retry: The handler's policy, pickled: it names exceptions of the user's.
        log_format: What it logs in.
        log_level: What it logs.
    """

    path: list[str]
    module: str
    name: str
    payload_at: str | None
    retry: bytes
    log_format: LogFormat
    log_level: LogLevel = "info"


class Call(msgspec.Struct, frozen=True):
    """One run.

    Args:
        stored: The event.
        entry_id: The entry's id in its stream.
        attempt: Which run this is, from 1.
        first_seen: When the first run in this group began, seconds since the epoch.
        fence: Rises with each owner of an ordered stream; none where the stream has no order.
        tag: The endpoint, or the partition of it.
    """

    stored: contract.Event
    entry_id: str
    attempt: int
    first_seen: float
    fence: int | None
    tag: str


class Reply(msgspec.Struct, frozen=True):
    """How it ended.

    Args:
        kind: The outcome's class.
        values: The outcome's attributes.
    """

    kind: str
    values: dict[str, Any]


_calls = msgspec.msgpack.Decoder(Call)
_replies = msgspec.msgpack.Decoder(Reply)


def framed(message: bytes) -> bytes:
    """Put its length before a message."""
    return len(message).to_bytes(LENGTH_BYTES) + message


async def read_frame(reader: StreamReader) -> bytes:
    """Wait for the next message.

    Raises:
        IncompleteReadError: The other end is gone.
    """
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
    return await reader.readexactly(length)


def written_call(event: Event) -> bytes:
    """Write down an event for the other process."""
    known = (event.entry_id, event.attempt, event.first_seen, event.fence, event.tag)
    return msgspec.msgpack.encode(Call(event.stored, *known))


def read_call(message: bytes) -> Event:
    """Read an event that came from the worker."""
    call = _calls.decode(message)
    return Event(
        call.stored,
        entry_id=call.entry_id,
        attempt=call.attempt,
        first_seen=call.first_seen,
        lease=Lease(fence=call.fence),
        tag=call.tag,
    )


def written_reply(outcome: Outcome) -> bytes:
    """Write down how a run ended."""
    values = {one.name: _plain(getattr(outcome, one.name)) for one in fields(outcome)}
    return msgspec.msgpack.encode(Reply(type(outcome).__name__, values))


def read_reply(message: bytes) -> Outcome:
    """Read how a run ended.

    Raises:
        ValueError: This is no outcome.
    """
    try:
        reply = _replies.decode(message)
        outcome: Outcome = msgspec.convert(reply.values, KINDS[reply.kind])
    except (msgspec.MsgspecError, KeyError) as error:
        raise ValueError("this is no outcome") from error
    return outcome


def _plain(value: object) -> object:
    # An exception's message may hold what UTF-8 cannot write.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
