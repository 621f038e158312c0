"""How a benchmark that judges begins and ends: options in, an exit code out."""

import resource
import tempfile
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from bench.edge import exit_code_of
from bench.failures import Missing
from bench.holds.record import Record
from bench.lines import RESULTS
from bench.tools import require

OPEN_FILES = 16_384

Bench = Callable[[Record, Namespace, Path], None]


def options(summary: str) -> ArgumentParser:
    """Make a parser with what all benchmarks take."""
    parser = ArgumentParser(description=summary, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where raw lines go")
    return parser


def judge(name: str, bench: Bench, given: Namespace) -> int:
    """Run a benchmark in a directory of its own, and give the exit code.

    Args:
        name: Names its raw lines.
        bench: Measures and judges.
        given: Its options.
    """

    def work() -> int:
        started = time.monotonic()
        # First, so that what the last run left stays where this one cannot be.
        _check()
        shown = {key: value for key, value in vars(given).items() if key != "results"}
        record = Record(name, given.results, **shown)
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as directory:
            bench(record, given, Path(directory))
        print(f"{time.monotonic() - started:.0f} s; raw lines: {record.path}")
        return record.exit_code()

    return exit_code_of(work)


def _check() -> None:
    if not Path("/proc/self/status").exists():
        raise Missing("this reads /proc: run it on Linux")
    require(("redis-server",))
    _raise_open_files(OPEN_FILES)


def _raise_open_files(wanted: int) -> None:
    """Let this process and those it starts have many connections.

    Raises:
        Missing: The machine does not allow that many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Missing(f"{wanted} open files are needed, {hard} allowed: ulimit -Hn {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
