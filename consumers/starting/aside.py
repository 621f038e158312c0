"""Runs a plain function of a user's in a thread that the end of the process does not wait for."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any


async def run_aside(call: Callable[[], Any], name: str) -> Any:  # noqa: ANN401 - what it returns
    """Call something that may block, and wait for its end.

    A thread of a pool would be waited for by the interpreter, however long it hangs.

    Args:
        call: Without arguments.
        name: Of the thread.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:  # noqa: ANN401 - whatever a user's function gives
        if ended.done():
            return  # nobody waits any more
        if error is None:
            ended.set_result(result)
        else:
            ended.set_exception(error)

    def run() -> None:
        result = None
        error: BaseException | None = None
        try:
            result = call()
        except StopIteration as stop:  # no future can carry it
            error = RuntimeError(f"{name} raised StopIteration")
            error.__cause__ = stop
        except BaseException as raised:  # noqa: BLE001 - raised again where it is waited for
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name=name, daemon=True).start()
    return await ended
