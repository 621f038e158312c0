"""The kit finds each planted fault, names exactly the check for it, and nothing else."""

import asyncio
from collections.abc import Iterable

import pytest

from relay.conformance import CHECKS, Report, Target, Trouble, examine
from relay.conformance.address import Address
from relay.conformance.event import Maker, Signer
from relay.conformance.verdict import Verdict
from relay.endpoint import Secret
from relay.providers import PROVIDERS
from tests.conformance.bad import FAULTS
from tests.conformance.receiver import MAX_BODY_BYTES, SECOND, SECRET, Receiver

# Runs mostly wait; this many at once keep a core busy.
TOGETHER = 6
RIGHT = "right"


def target(receiver: Receiver, **changes: object) -> Target:
    """Say what is known of a receiver; everything, as usual."""
    provider = PROVIDERS["unipile"]
    known: dict[str, object] = {
        "address": Address.parse(receiver.url),
        "signer": Signer(provider, Secret(SECRET, "test"), Secret(SECOND, "test")),
        "maker": Maker(provider, "message.new", "0123abcd"),
        "max_body_bytes": MAX_BODY_BYTES,
        "patience_seconds": receiver.patience_seconds,
        "slow_seconds": receiver.slow_seconds,
        "at_once": 100,
        "observer": receiver,
        "trouble": Trouble(receiver.break_it, receiver.mend_it),
    }
    return Target(**known | changes)  # type: ignore[arg-type]


async def examined(receiver: Receiver) -> Report:
    """Run every check against a receiver."""
    async with receiver.running():
        return await examine(target(receiver), CHECKS)


async def all_examined(kinds: Iterable[tuple[str, type[Receiver]]]) -> dict[str, Report]:
    """Run every check against every receiver, some at once."""
    room = asyncio.Semaphore(TOGETHER)

    async def one(name: str, kind: type[Receiver]) -> tuple[str, Report]:
        async with room:
            return name, await examined(kind())

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
