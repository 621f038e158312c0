"""The page on testing handlers: its code runs, and it names what there is."""

import re
from dataclasses import fields
from inspect import getmembers
from pathlib import Path

import pytest

from consumers.testing import EventFields, Result, Run, RunOptions, unipile_types
from consumers.testing.options import Plan
from tests.consumers.testing.test_plugin import python

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "how-to" / "test-handlers.md"
TEXT = PAGE.read_text("utf-8")


def test_the_code_of_the_page_runs(tmp_path: Path) -> None:
    """Its blocks make up a project whose tests pass."""
    files: dict[str, str] = {}
    for name, code in re.findall(r"```python\n# (\S+\.py)[^\n]*\n(.*?)```", TEXT, re.DOTALL):
        files[name] = files.get(name, "") + code
    for name, code in files.items():
        (tmp_path / name).write_text(code)
    done = python("-m", "pytest", "-q", "-o", "asyncio_mode=auto", cwd=tmp_path)

    assert re.search(r"^10 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr
    assert len(files) == 3


def test_every_option_stands_on_the_page_with_its_default() -> None:
    """And the plan that they make has no others."""
    plan = Plan()

    assert RunOptions.__annotations__.keys() == {each.name for each in fields(Plan)}
    for name in RunOptions.__annotations__:
        row = next(row for row in TEXT.splitlines() if row.startswith("|") and f"`{name}`" in row)
        default = getattr(plan, name)
        if isinstance(default, float | int) and not isinstance(default, bool) and name != "now":
            assert f"`{default:.0f}`" in row or f"`{default}`" in row or default == 0, name


@pytest.mark.parametrize("kind", [Run, Result])
def test_what_a_run_and_a_result_tell_stands_on_the_page(kind: type) -> None:
    """Each attribute and each assertion."""
    names = {each.name for each in fields(kind)} | {
        name for name, _ in getmembers(kind) if not name.startswith("_")
    }
    names -= {"outcome", "decision", "said", "given"}

    assert {name for name in names if not re.search(rf"`{name}\b", TEXT)} == set()


def test_what_may_be_said_of_an_event_stands_on_the_page() -> None:
    """And no type is called a guess that has no example."""
    assert {name for name in EventFields.__annotations__ if f"`{name}`" not in TEXT} == set()
    guesses = re.search(r"does not describe the payloads of (.*?): those are", TEXT)
    assert guesses is not None
    for pattern in re.findall(r"`([a-z_.*]+)`", guesses[1]):
        glob = re.compile(pattern.replace(".", r"\.").replace("*", ".*"))
        assert any(glob.fullmatch(each) for each in unipile_types()), pattern
