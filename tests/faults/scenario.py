"""What a scenario is, what it is given, and what comes of it."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.checker import Found, Left, judge, say

SERVERS = {"valkey": "Valkey", "redis": "Redis"}
# Of a run in which fewer rounds had an outcome that nobody knew, nothing was shown.
UNKNOWN_RATIO = 0.2


@dataclass
class Stage:
    """Where a scenario is played, and what it reports to.

    Args:
        directory: For all its files; empty.
        server: Which kind of server is the store.
        rounds: How many there are to be.
        seed: Decides all that is left to chance.
        share_of_load: Which part of its load is sent: what is sent costs most of a round.
    """

    directory: Path
    server: str
    rounds: int
    seed: int
    share_of_load: float = 1.0
    accepted: int = 0
    unknown: list[int] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def chance(self, what: object) -> random.Random:
        """Give a source of chance of its own, the same for the same seed."""
        return random.Random(f"{self.seed} {what}")

    def add(self, part: "Stage") -> None:
        """Take over what came of a part that had a directory of its own."""
        self.accepted += part.accepted
        self.unknown += part.unknown
        self.found += part.found
        self.troubles += part.troubles

    def part(self, name: object) -> "Stage":
        """Give a stage of its own to a part of the scenario, to be added afterwards."""
        directory = self.directory / str(name)
        directory.mkdir()
        return Stage(directory, self.server, 1, self.seed, self.share_of_load)

    def end_round(self, unknown: int) -> None:
        """Count a round, and how many outcomes nobody knew in it."""
        self.unknown.append(unknown)

    def conclude(self, left: Left) -> None:
        """Judge what is left at the end of one or more rounds."""
        self.accepted += len(left.accepted)
        self.found.append(judge(left))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault, played for some rounds.

    Args:
        name: By which it is chosen.
        title: What the page says happens.
        play: Plays it.
        rounds: In the full suite.
        short: In the short form, if it belongs to that.
        servers: On which kinds of server.
        durability: What was promised, for the page.
        needs: Says why it cannot be played here; nothing where it can.
        may_lose: The fault is one against which this durability promises nothing: what is lost
            is counted, and not held against anybody.
    """

    name: str
    title: str
    play: Callable[[Stage], Awaitable[None]]
    rounds: int
    short: int = 0
    servers: Sequence[str] = ("valkey", "redis")
    durability: str = "`local`, `always`"
    needs: Callable[[], str] = lambda: ""
    may_lose: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario on one kind of server.

    Args:
        scenario: Which.
        stage: What it reported.
        seconds: How long it took.
    """

    scenario: Scenario
    stage: Stage
    seconds: float

    @property
    def rounds_unknown(self) -> int:
        """How many rounds had an outcome that somebody could not know."""
        return sum(count > 0 for count in self.stage.unknown)

    @property
    def broken(self) -> list[str]:
        """What was promised and not kept."""
        said = [text for found in self.stage.found for text in say(found)]
        if self.scenario.may_lose:
            said = [text for text in said if not text.partition(" ")[2].startswith("lost")]
        if not self.stage.accepted:
            said.append("nothing was accepted, so nothing was shown")
        return said + self.stage.troubles

    def total(self, name: str) -> int:
        """Sum up one kind of finding."""
        return sum(len(getattr(found, name)) for found in self.stage.found)


def is_a_run(outcomes: Sequence[Outcome]) -> bool:
    """Tell whether enough rounds had an outcome that somebody could not know."""
    rounds = sum(len(outcome.stage.unknown) for outcome in outcomes)
    unknown = sum(outcome.rounds_unknown for outcome in outcomes)
    return rounds > 0 and unknown >= UNKNOWN_RATIO * rounds
