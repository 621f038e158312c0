"""How the gateway's parts begin and end together."""

import asyncio
from pathlib import Path

import pytest

from relay.app import Gateway
from relay.settings import Settings
from relay.spool.spool import Spool


async def test_a_start_that_is_broken_off_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it is cancelled while what dead processes have left is counted."""

    async def break_off(_: Spool) -> None:
        """Find nobody who wants it any more."""
        raise asyncio.CancelledError

    monkeypatch.setattr(Spool, "start", break_off)
    monkeypatch.setattr("relay.spool.spooling.LAST_TRY_SECONDS", 0.01)
    settings = Settings.load(
        {}, {"redis": {"url": "redis://127.0.0.1:1"}, "spool": {"directory": str(tmp_path)}}
    )
    with pytest.raises(asyncio.CancelledError):
        async with Gateway(settings, {}).running():
            pass

    assert asyncio.all_tasks() == {asyncio.current_task()}
