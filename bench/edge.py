"""Where a benchmark begins and ends as a program: work in, an exit code out.

0 says that all it judged holds, 1 that something does not, 2 that the machine lacks something.
It ends in order on Ctrl-C and on SIGTERM too.
"""

import signal
import sys
from collections.abc import Callable

from bench.failures import BenchFailed, CannotMeasure


def exit_code_of(work: Callable[[], int]) -> int:
    """Run a benchmark, and turn what stops it into an exit code.

    Args:
        work: Gives 0 where all holds, else 1.
    """
    _end_in_order()
    try:
        return work()
    except CannotMeasure as unfit:
        print(unfit, file=sys.stderr)
        return 2
    except BenchFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _end_in_order() -> None:
    """Let the first Ctrl-C or SIGTERM end the benchmark with all its children.

    Further ones are passed over: a second one in the middle of the clearing up would leave a
    program running. What is being cleared up has its own deadlines.
    """

    def interrupt(_number: int, _frame: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)
