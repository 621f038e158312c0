"""What a resource is told of the store of its worker."""

import asyncio

import pytest

from consumers.here import Here, here, set_here
from consumers.settings import Settings


async def told(text: str, **more: object) -> Here:
    """Ask in a task of its own, as a worker's lifespan is one."""
    set_here(Settings.load({}, more, {"redis": {"url": text}}))
    return await asyncio.create_task(_ask())


async def _ask() -> Here:
    return here()


async def test_each_process_says_what_it_was_told() -> None:
    """Two in one program do not mix; a password shows nowhere."""
    one, other = await asyncio.gather(
        told("redis://user:secret@one.example:6379/0", prefix="mine", durability="replicated:2"),
        told("redis://other.example:6379/0"),
    )

    assert one.url == "redis://user:secret@one.example:6379/0"
    assert (one.keys.prefix, one.replicas, other.replicas) == ("mine", 2, 0)
    assert other.url == "redis://other.example:6379/0"
    assert "secret" not in repr(one)


async def test_without_a_worker_process_there_is_no_store() -> None:
    """A test of handlers is told what to do."""
    with pytest.raises(RuntimeError, match="relay worker"):
        await asyncio.create_task(_ask())
