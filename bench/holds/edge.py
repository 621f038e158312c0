"""How each benchmark begins and ends: options in, an exit code out.

0 says that all it judged holds, 1 that something does not, 2 that the machine lacks something.
"""

import signal
import sys
import tempfile
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from bench.holds.jobs import JobFailed
from bench.holds.programs import Missing, ProgramFailed, raise_open_files, require_redis
from bench.holds.record import RESULTS, Record

OPEN_FILES = 16_384

Bench = Callable[[Record, Namespace, Path], None]


def options(summary: str) -> ArgumentParser:
    """Make a parser with what all benchmarks take."""
    parser = ArgumentParser(description=summary, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where raw lines go")
    return parser


def judge(
    name: str, bench: Bench, given: Namespace, require: Callable[[], None] = lambda: None
) -> int:
    """Run a benchmark in a directory of its own, and give the exit code.

    Args:
        name: Names its raw lines.
        bench: Measures and judges.
        given: Its options.
        require: Raises `Missing` where it cannot be run; what the last run left stays then.
    """
    # SIGTERM ends it as Ctrl-C does, so that what it started ends too.
    signal.signal(signal.SIGTERM, _interrupt)
    shown = {key: value for key, value in vars(given).items() if key != "results"}
    started = time.monotonic()
    try:
        _require()
        require()
        record = Record(name, given.results, **shown)
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as directory:
            bench(record, given, Path(directory))
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    except (ProgramFailed, JobFailed) as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("broken off", file=sys.stderr)
        return 130
    print(f"{time.monotonic() - started:.0f} s; raw lines: {record.path}")
    return record.exit_code()


def _require() -> None:
    if not Path("/proc/self/status").exists():
        raise Missing("this reads /proc: run it on Linux")
    raise_open_files(OPEN_FILES)
    require_redis()


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
