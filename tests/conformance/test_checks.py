"""The kit finds each planted fault, names exactly the check for it, and nothing else."""

import asyncio
from collections.abc import Iterable

import pytest

from relay.conformance import CHECKS, Report, examine
from relay.conformance.verdict import Verdict
from tests.conformance.aiming import target
from tests.conformance.bad import FAULTS
from tests.conformance.receiver import Receiver

# Runs mostly wait; this many at once keep a core busy.
TOGETHER = 6
RIGHT = "right"
# A hundred at once for each of them would take half of the time.
BUSY = {RIGHT, "many-at-once"}


async def examined(receiver: Receiver, at_once: int) -> Report:
    """Run every check against a receiver."""
    async with receiver.running():
        return await examine(target(receiver, at_once=at_once), CHECKS)


async def all_examined(kinds: Iterable[tuple[str, type[Receiver]]]) -> dict[str, Report]:
    """Run every check against every receiver, some at once."""
    room = asyncio.Semaphore(TOGETHER)

    async def one(name: str, kind: type[Receiver]) -> tuple[str, Report]:
        async with room:
            return name, await examined(kind(), 100 if name in BUSY else 2)

    return dict(await asyncio.gather(*(one(name, kind) for name, kind in kinds)))


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """What was found of each receiver, the right one among them."""
    return asyncio.run(all_examined([(RIGHT, Receiver), *FAULTS.items()]))


def test_every_check_has_a_planted_fault() -> None:
    """None goes untried."""
    assert set(FAULTS) == {check.name for check in CHECKS}


def test_a_right_receiver_passes_everything(reports: dict[str, Report]) -> None:
    """Nothing is found where nothing is wrong."""
    report = reports[RIGHT]

    assert [result for result in report.results if result.verdict is not Verdict.PASSED] == []


@pytest.mark.parametrize("check", FAULTS)
def test_a_planted_fault_is_found_by_its_check_alone(
    reports: dict[str, Report], check: str
) -> None:
    """One check fails, says what it saw, and no other does."""
    failed = [result for result in reports[check].results if result.verdict is Verdict.FAILED]

    assert [result.check for result in failed] == [check], failed
    assert all(found.sent and found.answered and found.expected for found in failed[0].findings)
