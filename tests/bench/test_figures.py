"""Raw lines to figures: spreads, ratios, tables and drawings say what the lines say."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench.lines import Line, append, figures, header, names, read_rounds
from bench.plot import draw
from bench.report import Bar, conditions, medians, ratios
from bench.statistic import Spread, percentile, spread
from bench.table import Table, number

SVG = "{http://www.w3.org/2000/svg}"
HEADER = header(
    "ingress",
    cpu="a <fast> one",
    cores=2,
    kernel="6.1",
    versions={"python": "3.11"},
    commit="abc",
    file_system="ext4",
    fsync={"p50_ms": 0.1, "p99_ms": 0.2},
    rounds=3,
    seconds=2,
    connections=64,
)


def make_line(contender: str, rate: float, **others: Any) -> Line:
    """Make the line of a round."""
    line = {"kind": "round", "contender": contender, "events_per_second": rate}
    return line | {"others_cpu_percent": 1} | others


LINES = [
    make_line("A", 100, round=1),
    make_line("D", 50, round=1, server_cpu_us=30.0),
    make_line("A", 400, round=2),
    make_line("D", 240, round=2, server_cpu_us=20.0),
    make_line("A", 200, round=3),
    make_line("D", 180, round=3, server_cpu_us=10.0),
]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([7.0], Spread(7, 7, 7, 7, 7)),
        ([1.0, 3.0], Spread(1, 1.5, 2, 2.5, 3)),
        ([5.0, 1.0, 4.0, 2.0, 3.0], Spread(1, 2, 3, 4, 5)),
    ],
)
def test_spread(found: list[float], expected: Spread) -> None:
    """Median and quartiles, whatever the order."""
    assert spread(found) == expected


def test_no_figures_are_refused() -> None:
    """A median of nothing would be a lie."""
    with pytest.raises(ValueError, match="no figures"):
        spread([])


@pytest.mark.parametrize(
    ("per_cent", "expected"), [(0, 1), (50, 50), (99, 99), (99.1, 100), (100, 100)]
)
def test_percentile_is_a_figure_that_was_seen(per_cent: float, expected: int) -> None:
    """Nearest rank, never between two."""
    assert percentile(range(1, 101), per_cent) == expected


def test_ratio_is_of_medians_and_of_each_round() -> None:
    """180 / 200; and 0.5, 0.6, 0.9 round by round."""
    bar = Bar("D / A", "events_per_second", "D", "A", "≥", 0.75)

    assert bar.ratio(LINES) == 0.9
    assert bar.by_round(LINES) == [0.5, 0.6, 0.9]
    assert ratios(LINES, [bar]).rows == [
        ["D / A", "0.90", "0.60", "0.50 – 0.90", "≥ 0.75", "holds"]
    ]


@pytest.mark.parametrize(
    ("side", "limit", "holds"),
    [("≥", 0.9, True), ("≥", 0.91, False), ("≤", 0.9, True), ("≤", 0.89, False), (None, 0, True)],
)
def test_a_bar_is_judged_by_its_side(side: Any, limit: float, holds: bool) -> None:  # noqa: FBT001 - a table's cell
    """At the limit it holds."""
    assert Bar("D / A", "events_per_second", "D", "A", side, limit).holds(LINES) is holds


def test_a_contender_that_did_not_run_is_not_judged() -> None:
    """Its ratio is left out of the table."""
    bar = Bar("D / C", "events_per_second", "D", "C", "≥", 3.0)

    assert bar.ratio(LINES) is None
    assert bar.holds(LINES)
    assert ratios(LINES, [bar]).rows == []


def test_medians_leave_open_what_was_not_measured() -> None:
    """A has no CPU figure in these lines."""
    table = medians(LINES, ["events_per_second", "server_cpu_us"])

    assert table.rows == [
        ["A", "200", "100 – 400", "150 – 300", "–"],
        ["D", "180", "50.0 – 240", "115 – 210", "20.0"],
    ]


@pytest.mark.parametrize(("percent", "words"), [(20, "20 % of a core"), (21, "NOT QUIET")])
def test_conditions_say_whether_it_was_quiet(percent: int, words: str) -> None:
    """So that nobody takes a busy machine's figures for ours."""
    table = conditions(HEADER, [make_line("A", 1, others_cpu_percent=percent)])

    assert words in str(table.rows[-1][1])


def test_a_drawing_has_a_dot_for_each_round() -> None:
    """And what comes from outside is escaped."""
    drawn = ET.fromstring(draw("Ingress", HEADER, LINES, ["events_per_second", "server_cpu_us"]))

    assert len(drawn.findall(f"{SVG}circle")) == len(LINES) + 3
    assert any("<fast>" in (text.text or "") for text in drawn.findall(f"{SVG}text"))


def test_dots_stand_where_their_figure_is() -> None:
    """The largest is four times as far from the axis as the smallest of A."""
    drawn = ET.fromstring(draw("Ingress", HEADER, LINES[::2], ["events_per_second"]))
    axis = min(float(line.get("x1", "")) for line in drawn.findall(f"{SVG}line"))
    far = [float(dot.get("cx", "")) - axis for dot in drawn.findall(f"{SVG}circle")]

    assert [round(distance / far[0], 2) for distance in far] == [1, 4, 2]


def test_a_table_is_the_same_in_a_terminal_and_on_a_page() -> None:
    """Every cell of one is in the other."""
    table = Table("T", ("a", "b"), [("1", "two"), ("3", "four")])

    assert table.markdown() == "| a | b |\n| --- | --- |\n| 1 | two |\n| 3 | four |"
    assert table.text() == "T\n  a  b\n  1  two\n  3  four"


def test_a_cell_cannot_break_its_table() -> None:
    """Whatever a verdict says."""
    table = Table("T", ("a", "b"), [(1000, "x|y")])

    assert table.markdown() == "| a | b |\n| --- | --- |\n| 1,000 | x\\|y |"


@pytest.mark.parametrize(
    ("figure", "text"), [(0.123, "0.12"), (9.99, "9.99"), (12.34, "12.3"), (34120.4, "34,120")]
)
def test_numbers_show_the_digits_that_count(figure: float, text: str) -> None:
    """Three of them, or all before the point."""
    assert number(figure) == text


def test_lines_read_back_as_they_were_kept(tmp_path: Any) -> None:
    """Header first; figures in the order of the rounds; what was disturbed is left out."""
    path = tmp_path / "lines.jsonl"
    for line in [HEADER, LINES[0] | {"kind": "disturbed"}, *LINES]:
        append(path, line)
    head, lines = read_rounds(path)

    assert (head, lines) == (HEADER, LINES)
    assert names(lines) == ["A", "D"]
    assert figures(lines, "events_per_second", contender="D") == [50, 240, 180]


def test_lines_without_a_header_are_refused(tmp_path: Any) -> None:
    """Nobody could say what they were measured on."""
    append(tmp_path / "lines.jsonl", LINES[0])

    with pytest.raises(ValueError, match="no header"):
        read_rounds(tmp_path / "lines.jsonl")
