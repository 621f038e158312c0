"""The processes of the run: gateways and workers that are killed, stopped and started again."""

from pathlib import Path

from tests.chaos.rules import EXIT_CODE
from tests.members import EXPECTED_ENDS, Member
from tests.programs import Program, start
from tests.records import lines_of

# A handler may end its process, too.
ENDS = EXPECTED_ENDS | {EXIT_CODE}


def worker_member(name: str, group: str, directory: Path, **variables: str) -> Member:
    """Make a place for a worker of a group."""

    def launch(name: str) -> Program:
        target = ["-m", "tests.chaos.short", "tests.chaos.handlers:worker"]
        return start(target, directory, name, CHAOS_GROUP=group, **variables)

    def has_work(pid: int) -> bool:
        open_runs: set[str] = set()
        for words in lines_of(directory / f"runs-{group}-{pid}.log"):
            (open_runs.add if words[0] == "start" else open_runs.discard)(words[1])
        return bool(open_runs)

    return Member(name, launch, has_work)
