"""The fixtures for pytest, in a run of pytest of their own."""

import subprocess
import sys
from pathlib import Path

CONFTEST = 'pytest_plugins = ["consumers.testing.plugin"]\n'
TESTS = """
from consumers import Event, Worker
from consumers.testing import make_event

worker = Worker(group="crm")


@worker.on("unipile:*")
async def charge(event: Event) -> None:
    async with event.once("charge") as step:
        print("needed" if step.needed else "known")
    if event.type == "bad":
        raise ValueError("no luck")


def test_plain(run_worker, run_handler, capsys):
    event = make_event()
    run_worker(worker, [event]).assert_all_handled()
    run_handler(worker, charge, event).assert_done()
    assert capsys.readouterr().out == "needed\\nknown\\n"


async def test_async(run_worker_async, run_handler_async):
    event = make_event()
    (await run_worker_async(worker, [event])).assert_all_handled()
    (await run_handler_async(worker, charge, event)).assert_done()


def test_failing(run_worker):
    run_worker(worker, [make_event("bad", id="evt_bad")])
    assert False
"""
NO_PYTEST = """
import sys
sys.modules["pytest"] = None
import consumers.testing
from consumers.testing import make_event, run, run_worker
print(make_event(id="evt_1").id)
"""
WORKER_ALONE = """
import sys
import consumers.app
print(sorted(name for name in sys.modules if name.startswith("consumers.testing")))
"""


def python(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run Python in a directory, to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_fixtures_run_workers_and_show_what_ran_where_a_test_fails(tmp_path: Path) -> None:
    """All runs of a test have one memory; those of a test that failed are told."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    done = python("-m", "pytest", "-q", "-o", "asyncio_mode=auto", cwd=tmp_path)

    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "runs of handlers" in done.stdout
    assert "failed: ValueError: no luck; dead: attempts_spent" in done.stdout
    assert "evt_bad" in done.stdout


def test_the_kit_needs_no_pytest(tmp_path: Path) -> None:
    """Only its fixtures do."""
    done = python("-c", NO_PYTEST, cwd=tmp_path)

    assert (done.stdout, done.stderr) == ("evt_1\n", "")


def test_a_worker_does_not_load_the_kit(tmp_path: Path) -> None:
    """It costs nothing where it is not asked for."""
    done = python("-c", WORKER_ALONE, cwd=tmp_path)

    assert (done.stdout, done.stderr) == ("[]\n", "")
