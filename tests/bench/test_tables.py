"""The performance page has the figures of the raw lines that are kept, and no others."""

import re
from pathlib import Path

import pytest

from bench.holds.tables import FIGURES
from bench.lines import RESULTS
from bench.options import parse
from bench.tables import COMPARE, NAMES, PAGE, fill, part_of, section

MAKEFILE = Path(__file__).parents[2] / "Makefile"


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_the_tables_of_the_raw_lines(name: str) -> None:
    """Made again from the lines they are the same; else: python -m bench.tables --write."""
    assert part_of(PAGE.read_text("utf-8"), name) == section(name)


@pytest.mark.parametrize("name", COMPARE)
def test_comparisons_are_always_shown(name: str) -> None:
    """The page is written around them."""
    assert section(name) != ""


def test_what_judges_has_another_name_than_what_compares() -> None:
    """Their raw lines lie in one place."""
    assert set(COMPARE).isdisjoint(FIGURES)


def test_the_page_has_no_other_figures() -> None:
    """All rates and times are between the marks, where the lines decide."""
    page = fill(PAGE.read_text("utf-8"), dict.fromkeys(NAMES, ""))

    assert re.findall(r"\d[\d.,]*\s?(?:/s|ms|µs|MiB)\b", page) == []


def test_every_file_of_lines_is_shown() -> None:
    """Nothing is measured and then kept back."""
    assert {path.stem for path in RESULTS.glob("*.jsonl")} <= set(NAMES)


def test_a_page_without_marks_is_refused() -> None:
    """The tables would have no place."""
    with pytest.raises(ValueError, match="<!-- ingress -->"):
        fill("# A page\n", {"ingress": "| a |"})


def test_every_option_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    """Each that a benchmark takes stands on the page."""
    with pytest.raises(SystemExit):
        parse("", ["--help"], rounds=1, seconds=1)
    options = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}

    assert {option for option in options if f"`{option}" not in PAGE.read_text("utf-8")} == set()
    assert "--rounds" in options


def test_every_figure_has_its_command() -> None:
    """Each benchmark has a target, which the page names."""
    targets = MAKEFILE.read_text("utf-8")

    assert [name for name in NAMES if f"\nbench-{name}: " not in targets] == []
    assert [name for name in NAMES if f"`make bench-{name}`" not in PAGE.read_text("utf-8")] == []
