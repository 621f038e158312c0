"""The benchmark of the spool waits for all that lies on the disk."""

from pathlib import Path

import pytest

from bench.failures import ProgramFailed
from bench.holds import spool
from relay.spool.file import StreamCensus
from relay.spool.status import FileStatus

LEFT = FileStatus("a.db", "orphan", [StreamCensus(("unipile", "message.new"), 3, 100, 0)])
LOCKED = FileStatus("b.db", "unreadable")


@pytest.mark.parametrize("left", [LEFT, LOCKED], ids=["left by a dead process", "unreadable"])
def test_a_spool_is_drained_when_nothing_lies_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: FileStatus
) -> None:
    """Also what no living process counts."""
    looks = iter([[left], [left], [FileStatus("a.db", "held")]])
    monkeypatch.setattr(spool, "look", lambda _: next(looks))
    spool._until_drained(tmp_path)

    assert list(looks) == []


def test_a_spool_that_is_never_drained_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without its figure has no verdict."""
    monkeypatch.setattr(spool, "_DRAIN_SECONDS", 0.0)
    monkeypatch.setattr(spool, "look", lambda _: [LEFT])
    with pytest.raises(ProgramFailed, match="not drained"):
        spool._until_drained(tmp_path)
