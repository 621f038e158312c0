"""The performance page has the figures of the raw lines that are kept, and no others."""

import re

import pytest

from bench.options import parse
from bench.tables import BENCHES, PAGE, RESULTS, ROOT, markdown, part_of, with_tables


@pytest.mark.parametrize("bench", BENCHES)
def test_the_page_has_the_tables_of_the_raw_lines(bench: str) -> None:
    """Made again from the lines they are the same; else: python -m bench.tables --write."""
    assert part_of(PAGE.read_text("utf-8"), bench) == markdown(bench)


def test_the_page_has_no_other_figures() -> None:
    """All rates and times are between the marks, where the lines decide."""
    page = PAGE.read_text("utf-8")
    for bench in BENCHES:
        page = with_tables(page, {bench: ""}) if part_of(page, bench) else page

    assert re.findall(r"\d[\d.,]*\s?(?:/s|ms|µs|MiB)\b", page) == []


def test_every_file_of_lines_is_shown() -> None:
    """Nothing is measured and then kept back."""
    assert {path.stem for path in RESULTS.glob("*.jsonl")} == set(BENCHES)


def test_a_page_without_marks_is_refused() -> None:
    """The tables would have no place."""
    with pytest.raises(ValueError, match="<!-- ingress -->"):
        with_tables("# A page\n", {"ingress": "| a |"})


def test_every_option_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    """Each that a benchmark takes stands on the page."""
    with pytest.raises(SystemExit):
        parse("", ["--help"], rounds=1, seconds=1)
    options = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}

    assert {option for option in options if f"`{option}" not in PAGE.read_text("utf-8")} == set()
    assert "--rounds" in options


def test_every_figure_has_its_command() -> None:
    """Each benchmark with tables has a target, which the page names."""
    targets = (ROOT / "Makefile").read_text("utf-8")

    assert [name for name in BENCHES if f"\nbench-{name}: " not in targets] == []
    assert [name for name in BENCHES if f"`make bench-{name}`" not in PAGE.read_text("utf-8")] == []
