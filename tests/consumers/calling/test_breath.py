"""When a lane whose handler never waits lets the event loop run."""

import asyncio

import pytest

from consumers.calling import breath as module
from consumers.calling.breath import Breath


async def test_it_is_due_after_a_stretch_without_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others would stand still until the queue is empty."""
    monkeypatch.setattr(module, "STRETCH_SECONDS", 0.0)
    breath = Breath()
    first = breath.is_due()

    assert (first, breath.is_due()) == (False, True)


async def test_it_is_not_due_where_the_loop_has_just_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that waits by itself lets the others run."""
    monkeypatch.setattr(module, "STRETCH_SECONDS", 0.0)
    breath = Breath()
    breath.is_due()
    await asyncio.sleep(0)

    assert not breath.is_due()
