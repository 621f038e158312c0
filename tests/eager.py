"""Tasks that begin, and end, before whoever asked for one has it.

So does Python from 3.12 on where a program asks for it; here for what waits for nothing, on
every version.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def tasks_that_end_at_once() -> Iterator[None]:
    """Have the running loop's factory make them within the block."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(_at_once)
    try:
        yield
    finally:
        loop.set_task_factory(None)


def _at_once(loop: asyncio.AbstractEventLoop, coroutine: Any, **_: Any) -> asyncio.Future[Any]:
    ended = loop.create_future()
    try:
        coroutine.send(None)
    except StopIteration as end:
        ended.set_result(end.value)
    return ended
