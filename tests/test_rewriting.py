"""Processes that run tests side by side rewrite their modules in turn, not each all of them."""

import sys
from pathlib import Path

import pytest

from tests import rewriting


def test_each_process_begins_at_its_own_share_and_leaves_nothing_out() -> None:
    """Also where the shares are not equal."""
    rows = list("abcdefg")
    turned = ["".join(rewriting.turned(rows, share, 3)) for share in range(3)]

    assert turned == ["abcdefg", "cdefgab", "efgabcd"]


def test_every_module_is_imported_while_python_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails keeps no other out, and what held before holds again afterwards."""
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    for name in ("test_b", "test_a", "other"):
        (tmp_path / "tests" / "deep" / f"{name}.py").touch()
    imported: list[tuple[str, bool]] = []

    def take(name: str) -> None:
        imported.append((name, sys.dont_write_bytecode))
        raise ImportError

    monkeypatch.setattr(rewriting, "ROOT", tmp_path)
    monkeypatch.setattr(rewriting, "import_module", take)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    rewriting.import_shared({"workerid": "gw1", "workercount": 2})

    assert imported == [("tests.deep.test_b", False), ("tests.deep.test_a", False)]
    assert sys.dont_write_bytecode
