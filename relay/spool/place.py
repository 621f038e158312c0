"""Judges where a spool lies: would it outlive a restart, and has its disk the room it may take?"""

from dataclasses import dataclass

from relay.spool.directory import PASSING, Directory

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Doubt:
    """What speaks against a place.

    Args:
        found: What is there.
        advice: What to do.
    """

    found: str
    advice: str


def judge_place(directory: Directory, max_bytes: int) -> list[Doubt]:
    """Say what speaks against a directory that can be written to.

    Args:
        directory: Which.
        max_bytes: How much it may come to hold.
    """
    doubts = []
    kind = directory.filesystem()
    if kind in PASSING:
        found = f"{directory.path} is on {kind}: a restart of machine or container empties it"
        doubts.append(Doubt(found, "put it on a volume that stays"))
    try:
        free = directory.free_bytes()
    except OSError:
        return doubts
    if free < max_bytes:
        found = f"{directory.path} has {free // MIB} MiB free, less than max_bytes"
        doubts.append(Doubt(found, "make room, or lower spool.max_bytes"))
    return doubts
