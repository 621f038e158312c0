"""A process that ends as it should not is found out, also where another has taken its place."""

from pathlib import Path

import pytest

from tests.members import Member
from tests.programs import start
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("code", "troubles"),
    [
        ("raise SystemExit(3)", ["one ended 1 times with 3"]),
        ("1 / 0", ["one ended 1 times with 1", "one has said: Traceback"]),
        ("", []),
        ("import os; os.kill(os.getpid(), 9)", []),
    ],
)
async def test_how_a_process_ended_is_told(tmp_path: Path, code: str, troubles: list[str]) -> None:
    """Only those that were asked to end, or killed, may."""
    member = Member("one", lambda name: start(["-c", code], tmp_path, name), lambda _: False)
    member.start()
    await wait_until(member.notice_end, description="it has ended")

    assert member.troubles(tmp_path) == troubles
