"""`relay spool drain` in front of several servers, one of which is away or comes back."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from relay.commands.spool import draining
from relay.spool import drain
from tests.relay.spool.parts import Bench
from tests.relay.spool.servers import A_TAG, A, B, Servers, leave
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("short_pauses")


async def test_a_server_that_is_away_keeps_no_other_from_being_drained_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked, and what was left for the others goes on."""
    monkeypatch.setattr(drain, "ROUND_EVENTS", 2)
    monkeypatch.setattr(draining, "PATIENCE_SECONDS", 1.0)
    store = Servers()
    await leave(tmp_path, store, a=1, b=9)
    store.away.add(A_TAG)
    await drain_by_command(tmp_path, store, monkeypatch)

    assert store.ids(B) == [f"b{number}" for number in range(9)]
    assert store.asked.count(A_TAG) > 1
    assert store.sent.count("a0") == 1


async def test_a_server_that_comes_back_is_drained_to_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did not take at first is sent when it answers."""
    store = Servers()
    await leave(tmp_path, store, a=2)
    store.away.add(A_TAG)
    draining_all = asyncio.create_task(drain_by_command(tmp_path, store, monkeypatch))
    await wait_until(lambda: A_TAG in store.asked, description="it has failed")
    store.away.clear()
    await draining_all

    assert store.ids(A) == ["a0", "a1"]


async def drain_by_command(path: Path, store: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drain what is left as `relay spool drain` does, to these servers."""

    async def nothing() -> None:
        """Announce nothing, watch nothing, stop nothing."""

    def appender(*_: Any, observer: Any, **__: Any) -> Any:
        store.spooling = observer
        return store

    quiet = SimpleNamespace(refresh=nothing, watch=nothing, is_full_at=None)
    replaced: dict[str, Callable[..., Any]] = {
        "make_appender": appender,
        "make_capacity": lambda *_: quiet,
        "Announcer": lambda *_: quiet,
        "is_cluster": lambda _: True,
    }
    for name, by in replaced.items():
        monkeypatch.setattr(draining, name, by)
    monkeypatch.setattr(Servers, "stop", lambda _: nothing(), raising=False)
    bench = Bench(path, store)
    await bench.spool.adopt()
    place: Any = SimpleNamespace(redis=None, keys=None, settings=SimpleNamespace(held_groups=()))
    await draining._drain(bench.spool, place, 0, lambda _: None)
    await bench.spool.finish()
