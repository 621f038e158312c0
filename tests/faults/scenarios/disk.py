"""The store's disk is full."""

import asyncio
import random
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults import needs
from tests.faults.scenario import Scenario, Stage
from tests.faults.town import Plan, Town, a_town
from tests.waiting import wait_until

# Enough for what a few rounds store.
DISK = "64m"
LEFT_BYTES = 100_000
FULL_SECONDS = 30.0


@asynccontextmanager
async def a_small_disk(directory: Path) -> AsyncIterator[Path]:
    """Have a file system in memory within the block."""
    where = directory / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", str(where)]
    subprocess.run(mount, check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


async def disk_full(stage: Stage) -> None:
    """Fill the disk under load until the store refuses or ends; then make room again."""
    async with a_small_disk(stage.directory) as disk, a_town(stage, Plan(directory=disk)) as town:

        async def fill(town: Town, _: random.Random) -> None:
            ballast = disk / "ballast"
            try:
                await asyncio.to_thread(_fill, ballast)
                await _until_refused(town)
            finally:
                ballast.unlink()
            if not town.server.is_alive:
                await asyncio.to_thread(town.server.kill)

        await town.play(fill)


def _fill(ballast: Path) -> None:
    """Leave a little room, so that the store meets the end in the middle of its work."""
    free = shutil.disk_usage(ballast.parent).free
    ballast.write_bytes(b"\0" * max(0, free - LEFT_BYTES))


async def _until_refused(town: Town) -> None:
    senders = town.now_sending()
    refused = senders.statuses[503]
    await wait_until(
        lambda: senders.statuses[503] > refused,
        deadline_seconds=FULL_SECONDS,
        description="some are refused",
    )


SCENARIOS = (
    Scenario("disk-full", "the store's disk is full", disk_full, rounds=6, needs=needs.small_disk),
)
