"""Which slot a command goes to, and which server has which slot: pure, as the servers reckon.

Source: Redis Cluster specification, "Key distribution model"; Redis CLUSTER SLOTS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.crc import key_slot

from relay.contract.address import Host

SLOTS = 16_384

# Where the first key stands, counted from the command; elsewhere it stands right behind it.
_PLACES = {
    "OBJECT": 2,
    "MEMORY": 2,
    "XGROUP": 2,
    "XINFO": 2,
    "BITOP": 2,
    "ZUNION": 2,
    "ZINTER": 2,
    "ZDIFF": 2,
    "ZINTERCARD": 2,
    "SINTERCARD": 2,
    "LMPOP": 2,
    "ZMPOP": 2,
    "BLMPOP": 3,
    "BZMPOP": 3,
    "MIGRATE": 3,
}
_SCRIPTS = {"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"}
_READS = {"XREAD", "XREADGROUP"}
# What concerns the server as a whole, and is the same or of no matter whichever is asked.
_KEYLESS = {
    "ACL", "AUTH", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "ECHO", "FLUSHALL",
    "FLUSHDB", "FUNCTION", "HELLO", "INFO", "KEYS", "LATENCY", "PING", "PUBLISH", "RANDOMKEY",
    "ROLE", "SCAN", "SCRIPT", "SLOWLOG", "TIME", "WAIT", "WAITAOF",
}  # fmt: skip
# What each server answers for its own part only: the answer of one would pass for the whole.
PARTIAL = {"DBSIZE", "FLUSHALL", "FLUSHDB", "KEYS", "RANDOMKEY", "SCAN", "WAIT", "WAITAOF"}


@dataclass(frozen=True, slots=True)
class SlotRange:
    """Slots that lie beside each other and have the same servers.

    Args:
        first: 0 to 16,383.
        last: The same, included.
        primary: Who takes what is written.
        replicas: Who has copies.
    """

    first: int
    last: int
    primary: Host
    replicas: tuple[Host, ...]


def slot_of_key(key: str | bytes) -> int:
    """Say which slot a key is in, 0 to 16,383: by its hash tag, where it has one."""
    return key_slot(key.encode() if isinstance(key, str) else key)


def name_of(command: Sequence[Any]) -> str:
    """Give a command's first word, in capitals; redis-py writes some as ``XINFO STREAM``."""
    return _text(command[0]).partition(" ")[0].upper()


def slot_of(command: Sequence[Any]) -> int | None:
    """Say which slot a command goes to.

    Args:
        command: Its words, as redis-py is given them.

    Returns:
        The slot of its first key; nothing where it has no key. That its other keys are in the
        same slot is for the server to judge.
    """
    words = [*_text(command[0]).split(), *command[1:]]
    place = _place_of_key(words)
    if place is None or place >= len(words):
        return None
    key = words[place]
    return slot_of_key(bytes(key) if isinstance(key, bytes | memoryview) else str(key))


def _place_of_key(words: Sequence[Any]) -> int | None:
    name = words[0].upper()
    if name in _KEYLESS:
        return None
    if name in _SCRIPTS:
        return 3 if len(words) > 2 and int(words[2]) > 0 else None
    if name in _READS:
        found = (at for at, word in enumerate(words) if _text(word).upper() == "STREAMS")
        # A group may be called so; the word before the keys comes later.
        start = 4 if name == "XREADGROUP" else 1
        return next((at + 1 for at in found if at >= start), None)
    return _PLACES.get(name, 1)


def read_slots(reply: Sequence[Any], asked: Host) -> list[SlotRange]:
    """Read the reply to CLUSTER SLOTS.

    Args:
        reply: As it came.
        asked: Who gave it: a server that does not know its own address leaves it out.
    """
    return [_read_range(first, last, servers, asked) for first, last, *servers in reply]


def _read_range(first: int, last: int, servers: Sequence[Any], asked: Host) -> SlotRange:
    primary, *replicas = (place_in(_text(at[0]), int(at[1]), asked) for at in servers)
    return SlotRange(first, last, primary, tuple(replicas))


def place_in(host: str, port: int, asked: Host) -> Host:
    """Read an address that a server gave; without a host it means its own."""
    return Host(asked.name if host in {"", "?"} else host, port)


def _text(word: Any) -> str:  # noqa: ANN401 - whatever redis-py takes
    if isinstance(word, bytes):
        return word.decode("utf-8", "replace")
    return "" if word is None else str(word)
