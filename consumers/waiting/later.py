"""Puts off an entry for long: out of its stream, so that it pins nothing there.

What waits for a short time stays where it is (`consumers.settle.Settler.park`); what waits here
is brought back by ``consumers.waiting.again``.
"""

from typing import Literal

from consumers.consumer import Consumer
from consumers.entry import HeldEntry, History, written
from relay.contract.script import Script

# Parked for up to this long: less than trimming would notice.
LATER_SECONDS = 600.0

PutOff = Literal["moved", "gone", "large", "late"]

_later = Script("consumers", "waiting/member", "waiting/later")


async def put_off(us: Consumer, entry: HeldEntry, delay_seconds: float, history: History) -> PutOff:
    """Move an entry to where its group keeps what waits long.

    One step on the server, so that no crash can find the entry in both places or in neither.
    May be sent again when the reply is lost: the entry is not pending any more, and is late.

    Args:
        us: Who holds the entry.
        entry: Pending under this consumer.
        delay_seconds: How long it waits.
        history: What happened to it, the latest run included.

    Returns:
        ``moved``; ``gone`` where the entry was deleted, so that nothing is left to wait for;
        ``large`` where it has too many fields to be moved, ``late`` where it is not this
        consumer's any more, and in both cases nothing was done.

    Raises:
        ResponseError: The store refuses it.

    Source:
        docs/adr/0016.
    """
    tag, group, keys = entry.stream.tag, us.group, us.keys
    names = [
        entry.stream.key,
        keys.later(tag, group),
        keys.later_due(tag, group),
        keys.attempts(tag, group),
        keys.strikes(tag, group),
    ]
    about = (entry.entry_id, entry.member, entry.stream.event_type, int(1000 * delay_seconds))
    told = (written(history), entry.origin_id)
    answer: bytes = await _later(us.redis, names, group, us.name, *about, *told)
    return answer.decode()  # type: ignore[return-value] # the script's words
