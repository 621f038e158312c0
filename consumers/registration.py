"""Writes into the books again what they have lost of streams that are read here.

Whoever starts later finds streams by the books alone, so what this process knows must stand
there. A type that nobody reads is registered again by the gateway, with its next event.
"""

from collections.abc import Iterable

from consumers.consumer import Consumer
from relay.contract.logs import Logger
from relay.contract.script import Script

_register = Script("relay.contract", "register")
_log = Logger("consumers.registration")


async def restore_types(us: Consumer, tag: str, types: Iterable[str]) -> None:
    """Register types again whose streams exist; those of streams that are gone are passed over.

    Args:
        us: This process.
        tag: Whose types.
        types: Those that the books do not have.

    Raises:
        ResponseError: The store refuses it.
    """
    for event_type in sorted(types):
        stream = us.keys.stream(tag, event_type)
        if await _register(us.redis, [us.keys.streams(tag), stream], event_type):
            _log.warning("registration_restored", stream=stream)


async def restore_tag(us: Consumer, tag: str) -> None:
    """Make a tag known again that has registered types.

    Raises:
        ResponseError: The store refuses it.
    """
    if await us.redis.hlen(us.keys.streams(tag)) and await us.redis.sadd(us.keys.tags, tag):
        _log.warning("tag_restored", tag=tag)
