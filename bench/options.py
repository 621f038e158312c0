"""What all benchmarks take on the command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.lines import RESULTS

# Where short and partial runs go.
SCRATCH = Path(".bench")


@dataclass(frozen=True, slots=True)
class Options:
    """What a run was asked for.

    Args:
        rounds: How many rounds.
        seconds: How long each contender is measured in a round.
        warm_up_seconds: How long it is under load before that.
        connections: How many deliveries are under way at once.
        only: Names of the contenders wanted; all if empty.
        quick: A short look, not a measurement.
        patience_seconds: How long to wait for others on the machine before each measurement.
        directory: For stores, logs and deliveries; on a disk.
        results: Where raw lines and drawings go.
    """

    rounds: int
    seconds: int
    warm_up_seconds: int
    connections: int
    only: frozenset[str]
    quick: bool
    patience_seconds: float
    directory: Path
    results: Path

    @property
    def is_whole(self) -> bool:
        """Whether the run may be held against the project's own bars."""
        return not self.quick and not self.only and self.rounds >= 5

    def wants(self, name: str) -> bool:
        """Tell whether a contender is wanted, by its whole name or its letter."""
        return not self.only or name in self.only or name.partition(" ")[0] in self.only


def parse(
    description: str, arguments: Sequence[str] | None = None, *, rounds: int, seconds: int
) -> Options:
    """Read the command line.

    Args:
        description: What the benchmark measures.
        arguments: The words; those of the process by default.
        rounds: Default.
        seconds: Default.
    """
    return options_of(parser_of(description, rounds, seconds).parse_args(arguments))


def parser_of(description: str, rounds: int, seconds: int) -> argparse.ArgumentParser:
    """Make the parser of what all take, for a benchmark that takes more.

    Args:
        description: What the benchmark measures.
        rounds: Default.
        seconds: Default.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=_positive, default=rounds, help=f"[{rounds}]")
    parser.add_argument(
        "--seconds", type=_positive, default=seconds, help=f"of each contender's round [{seconds}]"
    )
    parser.add_argument("--connections", type=_positive, default=64, help="[64]")
    parser.add_argument("--only", default="", help="contenders, for example A,D or 'D everysec'")
    parser.add_argument("--quick", action="store_true", help="one round of one second, to look")
    parser.add_argument(
        "--patience", type=float, default=20.0, help="seconds to wait for a quiet machine [20]"
    )
    parser.add_argument(
        "--directory", type=Path, default=SCRATCH, help="for the stores; on a disk [.bench]"
    )
    parser.add_argument("--results", type=Path, help="[bench/results; .bench with --quick, --only]")
    return parser


def options_of(given: argparse.Namespace) -> Options:
    """Take from a command line what all take."""
    only = frozenset(name.strip() for name in given.only.split(",") if name.strip())
    return Options(
        rounds=1 if given.quick else given.rounds,
        seconds=1 if given.quick else given.seconds,
        warm_up_seconds=1,
        connections=given.connections,
        only=only,
        quick=given.quick,
        patience_seconds=0.0 if given.quick else given.patience,
        directory=given.directory,
        results=given.results or (SCRATCH if given.quick or only else RESULTS),
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
