"""What a run says of receivers that are away, unseen, or wrong in many ways."""

from collections import Counter
from typing import Any

import pytest

from relay.conformance import CHECKS, Trouble, Unreachable, examine
from relay.conformance.check import Check
from relay.conformance.observe import CommandObserver, ObservingFailed
from relay.conformance.probe import Count
from relay.conformance.verdict import Result, Verdict
from relay.conformance.wire import MOST_ANSWER_BYTES
from tests.conformance.aiming import target
from tests.conformance.receiver import Answered, Receiver, Refused, Request

DUPLICATES = ("duplicates-at-once", "duplicates-later")


def checks(*names: str) -> list[Check]:
    """Give checks by their names."""
    return [check for check in CHECKS if check.name in names]


async def results(receiver: Receiver, *names: str, **known: Any) -> dict[str, Result]:
    """Run some checks against a receiver."""
    async with receiver.running():
        report = await examine(target(receiver, **known), checks(*names))
    return {result.check: result for result in report.results}


class SaysNothing(Receiver):
    """Answers a repeat as it answers anything."""

    async def keep(self, request: Request, document: dict[str, Any] | None) -> Answered:
        await super().keep(request, document)
        return Answered(200, {})


class StoresTwice(SaysNothing):
    """Forgets what it has stored."""

    def identity(self, request: Request, document: dict[str, Any] | None) -> object:
        return object()


class Loses(Receiver):
    """Answers 200 and stores nothing."""

    async def keep(self, request: Request, document: dict[str, Any] | None) -> Answered:
        return Answered(200, {})


class StoresAndRefuses(Receiver):
    """Stores before it verifies."""

    async def take(self, request: Request) -> Answered:
        self.stored.append(request.body)
        return await super().take(request)


class VerifiesNothing(Receiver):
    """Takes whatever comes."""

    def verify(self, request: Request) -> None:
        """Do nothing."""


class Away(Receiver):
    """Is away from the start."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = True


class SendsAway(Receiver):
    """Answers 500 where it is away."""

    async def take(self, request: Request) -> Answered:
        raise Refused(500)


async def test_repeats_are_judged_by_what_a_receiver_says() -> None:
    """Where nothing looks behind it, its own word counts."""
    found = await results(Receiver(), *DUPLICATES, observer=None)

    assert {result.verdict for result in found.values()} == {Verdict.PASSED}


async def test_repeats_that_cannot_be_seen_have_not_passed() -> None:
    """It says what would make them seen."""
    found = await results(SaysNothing(), *DUPLICATES, observer=None)

    assert {result.verdict for result in found.values()} == {Verdict.NOT_OBSERVABLE}
    assert "--observe" in found["duplicates-later"].reason


async def test_repeats_are_seen_by_an_observer() -> None:
    """What says nothing of itself is seen from behind."""
    wrong, right = StoresTwice(), SaysNothing()

    assert (await results(right, *DUPLICATES))["duplicates-at-once"].verdict is Verdict.PASSED
    found = await results(wrong, *DUPLICATES)
    assert {result.verdict for result in found.values()} == {Verdict.FAILED}
    assert found["duplicates-at-once"].findings[0].answered == "stored 2 times"


async def test_what_was_accepted_and_is_not_stored_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 2xx that stores nothing loses events."""
    monkeypatch.setattr("relay.conformance.run.SEEN_SECONDS", 0.0)

    found = await results(Loses(), "plain")

    assert found["plain"].verdict is Verdict.FAILED
    assert "not stored" in found["plain"].findings[0].answered


async def test_what_was_refused_and_is_stored_is_found() -> None:
    """Whoever reads what is stored takes it for genuine."""
    found = await results(StoresAndRefuses(), "wrong-secret", "plain")

    assert found["plain"].verdict is Verdict.PASSED
    assert found["wrong-secret"].verdict is Verdict.FAILED
    assert "is stored" in found["wrong-secret"].findings[0].answered


async def test_a_receiver_that_verifies_nothing_fails_every_check_of_it() -> None:
    """One mistake, seen from all sides."""
    names = (
        *("wrong-secret", "empty-secret", "no-signature", "tampered-body", "foreign-body"),
        *("reformatted-body", "truncated-signature", "malformed-signature", "two-signatures"),
        *("stale-timestamp", "future-timestamp", "tampered-timestamp", "signed-before-packing"),
    )

    found = await results(VerifiesNothing(), *names)

    assert {result.verdict for result in found.values()} == {Verdict.FAILED}
    assert len(found) == len(names)


@pytest.mark.parametrize("kind", [Away, SendsAway])
async def test_nothing_passes_where_a_good_delivery_does_not(kind: type[Receiver]) -> None:
    """Refusals say nothing there."""
    found = await results(kind(), *(check.name for check in CHECKS if check.name != "plain"))

    assert Counter(result.verdict for result in found.values()) == {
        Verdict.NOT_JUDGED: len(CHECKS) - 1
    }
    assert all(result.reason for result in found.values())


async def test_a_receiver_that_goes_away_is_not_judged() -> None:
    """What it puts off in the middle of a run has not passed."""

    class Tires(Receiver):
        async def keep(self, request: Request, document: dict[str, Any] | None) -> Answered:
            self.is_away = request.is_of("media-types")
            return await super().keep(request, document)

    found = await results(Tires(), "plain", "media-types")

    assert found["plain"].verdict is Verdict.PASSED
    assert found["media-types"].verdict is Verdict.NOT_JUDGED


async def test_no_more_is_sent_than_the_bound() -> None:
    """Every delivery may be real to somebody."""
    receiver = Receiver()
    async with receiver.running():
        report = await examine(target(receiver), checks("many-at-once"), count=Count(20))

    assert report.sent == 20
    assert len(receiver.stored) <= 20
    assert report.results[0].verdict is Verdict.NOT_JUDGED


async def test_an_answer_without_an_end_is_none() -> None:
    """It fills no memory, and is not waited for until the deadline."""

    class Talks(Receiver):
        async def take(self, request: Request) -> Answered:
            return Answered(200, {"text": "x" * 4 * MOST_ANSWER_BYTES})

    found = await results(Talks(), "plain")

    assert found["plain"].verdict is Verdict.FAILED
    assert "closed" in found["plain"].findings[0].answered


async def test_nobody_is_there() -> None:
    """A port on which nobody listens is told apart from a bad receiver."""
    receiver = Receiver()
    async with receiver.running():
        gone = target(receiver)

    with pytest.raises(Unreachable, match="no connection"):
        await examine(gone, CHECKS)


async def test_an_observer_that_cannot_see_is_told_before_anything_is_sent() -> None:
    """A run that sees nothing is not begun."""
    receiver = Receiver()
    async with receiver.running():
        with pytest.raises(ObservingFailed, match="false"):
            await examine(target(receiver, observer=CommandObserver(["false"])), CHECKS)

    assert receiver.stored == []


async def test_trouble_is_mended_whatever_happens() -> None:
    """A check that breaks off leaves no receiver without its store."""
    receiver = Receiver()
    done: list[str] = []

    async def begin() -> None:
        done.append("begun")
        raise ObservingFailed("it cannot be done")

    async def end() -> None:
        done.append("ended")

    found = await results(receiver, "own-trouble", trouble=Trouble(begin, end))

    assert done == ["begun", "ended"]
    assert found["own-trouble"].verdict is Verdict.NOT_JUDGED


class Spools(Receiver):
    """Keeps elsewhere what it cannot store, or says so."""

    keeps = True

    async def keep(self, request: Request, document: dict[str, Any] | None) -> Answered:
        if self.is_away and not self.keeps:
            return Answered(200, {})
        self.is_away = False
        return await super().keep(request, document)


class Pretends(Spools):
    """Answers 200 for what it loses."""

    keeps = False


@pytest.mark.parametrize(
    ("kind", "verdict"), [(Spools, Verdict.PASSED), (Pretends, Verdict.FAILED)]
)
async def test_what_is_accepted_in_trouble_must_be_kept(
    monkeypatch: pytest.MonkeyPatch, kind: type[Receiver], verdict: Verdict
) -> None:
    """A spool is as good as a refusal, and an empty promise is not."""
    monkeypatch.setattr("relay.conformance.run.SEEN_SECONDS", 0.0)

    found = await results(kind(), "own-trouble")

    assert found["own-trouble"].verdict is verdict


async def test_what_is_accepted_in_trouble_has_not_passed_unseen() -> None:
    """From outside a spool and an empty promise look the same."""
    found = await results(Spools(), "own-trouble", observer=None)

    assert found["own-trouble"].verdict is Verdict.NOT_OBSERVABLE


async def test_trouble_that_nobody_can_make_is_not_observable() -> None:
    """It says what would make it so."""
    found = await results(Receiver(), "own-trouble", trouble=None)

    assert found["own-trouble"].verdict is Verdict.NOT_OBSERVABLE
    assert "--break" in found["own-trouble"].reason
