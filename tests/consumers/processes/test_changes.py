"""Changed code is noticed, once it is left alone."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from consumers.processes import changes
from consumers.processes.changes import Changes, roots_of


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    monkeypatch.setattr(changes, "LOOK_SECONDS", 0.005)


def write(path: Path, text: str) -> Path:
    """Write a file, its directories too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


async def changed_after(watched: Changes) -> list[str]:
    """Wait for a change, and give the files."""
    async with asyncio.timeout(10):
        await watched.wait()
    return watched.take()


async def test_written_made_and_removed_files_are_named_together(tmp_path: Path) -> None:
    """Also below, and where a file is as long as before."""
    written = write(tmp_path / "shop" / "orders.py", "a = 1")
    removed = write(tmp_path / "old.py", "")
    watched = Changes([tmp_path])
    made = write(tmp_path / "shop" / "deep" / "new.py", "")
    written.write_text("a = 2")
    os.utime(written, ns=(1, 1))
    removed.unlink()

    assert await changed_after(watched) == sorted(map(str, [written, made, removed]))


@pytest.mark.parametrize(
    "name",
    ["notes.txt", ".git/hook.py", "__pycache__/x.py", "site-packages/y.py", "env/lib/z.py"],
)
async def test_what_is_no_code_of_the_user_is_passed_over(tmp_path: Path, name: str) -> None:
    """Nor does a large virtual environment cost anything."""
    write(tmp_path / "env" / "pyvenv.cfg", "")
    watched = Changes([tmp_path])
    write(tmp_path / name, "new")
    marked = write(tmp_path / "mark.py", "")

    assert await changed_after(watched) == [str(marked)]


async def test_files_that_are_still_being_written_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout writes one after the other; the worker is started anew once."""
    watched = Changes([tmp_path])
    looks = 0
    look = changes._state_of

    def write_and_look(roots: list[Path]) -> changes._State:
        nonlocal looks
        looks += 1
        if looks <= 4:
            write(tmp_path / f"part_{looks}.py", "")
        return look(roots)

    monkeypatch.setattr(changes, "_state_of", write_and_look)

    assert len(await changed_after(watched)) == 4


async def test_a_change_during_a_restart_is_not_missed(tmp_path: Path) -> None:
    """What was taken is known; what came after it is the next change."""
    watched = Changes([tmp_path])
    one = write(tmp_path / "one.py", "")
    first = await changed_after(watched)
    two = write(tmp_path / "two.py", "")

    assert first == [str(one)]
    assert await changed_after(watched) == [str(two)]


def test_a_module_that_lies_elsewhere_is_watched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package with all that is in it, a module alone; and nothing is imported."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    write(here / "mine.py", "raise RuntimeError")
    write(elsewhere / "shop" / "__init__.py", "raise RuntimeError")
    write(elsewhere / "single.py", "raise RuntimeError")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [str(elsewhere), *sys.path])

    assert roots_of("mine") == roots_of("nowhere.at.all") == [here]
    assert roots_of("shop.orders") == [here, elsewhere / "shop"]
    assert roots_of("single") == [here, elsewhere / "single.py"]
