"""Raw lines and verdicts: what is kept, what it comes to, how it is shown."""

from pathlib import Path

import pytest

from bench.holds.record import Record
from bench.lines import of_kind, read
from bench.tables import fill, section

END = {
    "unfinished": {
        "fates": {"answers": {"408": 1234}},
        "before_bytes": 130 * 2**20,
        "peak_bytes": 300 * 2**20,
        "good": {"200": 2000},
        "latency_ms": {"p50": 1.5, "p99": 8.0, "max": 44.0},
        "addresses": 100,
    },
    "overload": {
        "outcomes": {"200": 45487, "503": 66641},
        "latency_ms": {"p50": 1.5, "p99": 8.0, "max": 44.0},
        "late_ms": {"p50": 0.5, "p99": 1.0, "max": 2.0},
        "before_bytes": 64 * 2**20,
        "peak_bytes": 80 * 2**20,
        "gauges": {"relay_waiting_events": 256.0},
    },
    "restart": {
        "outcomes": {"200": 18000},
        "announced": 320,
        "idle_closed": 3,
        "latency_ms": {"p50": 1.5, "p99": 8.0, "max": 44.0},
    },
}


def _record(name: str, directory: Path) -> Record:
    """Write lines as a benchmark would."""
    record = Record(name, directory, events=1000, early=100)
    if name == "unfinished":
        record.line("sample", addresses=100, unfinished=9876, in_hand_bytes=224 * 2**20)
    else:
        for events in (0, 100, 250, 1000):
            record.line("sample", events=events, resident_bytes=events * 2**20)
    record.line("capacity", full_per_second=7000.5, slow_per_second=1168.0, delay_seconds=0.1)
    record.line("restart", number=0, seconds=1.25)
    cpu = {"relay_us": 15.5, "plain_us": 12.25, "ratio": 1.265}
    bytes_per_id = {"relay": 55.5, "plain": 196.5, "rollovers": 4}
    record.line("part", scenario="100000", part="steady", bytes_per_id=bytes_per_id, cpu=cpu)
    record.line("part", scenario="10", part="cold", bytes_per_id=None, cpu=None)
    record.line("end", **END.get(name, {}))
    return record


@pytest.mark.parametrize(
    ("verdicts", "code"), [([], 1), ([True], 0), ([True, True], 0), ([True, False], 1)]
)
def test_the_exit_code_says_whether_all_that_was_judged_holds(
    verdicts: list[bool], code: int, tmp_path: Path
) -> None:
    """A run that judged nothing has shown nothing."""
    record = Record("memory", tmp_path)
    for holds in verdicts:
        record.judge("a claim", 5, bound="at most 6", holds=holds)

    assert record.exit_code() == code
    assert [line["holds"] for line in of_kind(read(record.path)[1], "verdict")] == verdicts


def test_a_record_begins_anew_with_machine_versions_and_options(tmp_path: Path) -> None:
    """Nothing of the run before is left."""
    Record("memory", tmp_path).line("sample", events=1)
    record = Record("memory", tmp_path, events=7)
    header, lines = read(record.path)

    assert lines == []
    assert header["options"] == {"events": 7}
    assert header["machine"]["cores"] >= 1
    assert {"python", "aiohttp", "redis-server"} <= header["machine"]["versions"].keys()


def test_a_file_without_a_header_is_refused(tmp_path: Path) -> None:
    """It says what to do."""
    path = tmp_path / "memory.jsonl"
    path.write_text('{"kind": "sample"}\n', "utf-8")

    with pytest.raises(ValueError, match="run the benchmark again"):
        read(path)


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("memory", ["| 100 | 100.0 |", "| 250 | 250.0 |", "| 1,000 | 1000.0 |"]),
        (
            "unfinished",
            ["9,876", "408: 1,234", "224.0", "130.0 / 300.0", "200: 2,000", "1.5 / 8.0 / 44.0"],
        ),
        ("overload", ["7000.5", "1168.0", "3504.0", "503: 66,641", "64.0 / 80.0", "| 256 |"]),
        ("restart", ["1.25 – 1.25", "200: 18,000", "| 320 |"]),
        (
            "index",
            ["| 100000 | steady | 55.5 | 196.5 | 4 | 15.5 | 12.25 | 1.265 |", "| cold | – |"],
        ),
    ],
)
def test_a_section_has_conditions_figures_and_verdicts(
    name: str, figures: list[str], tmp_path: Path
) -> None:
    """All from the raw lines."""
    _record(name, tmp_path).judge("a claim", "5", bound="at most 4", holds=False)
    text = section(name, tmp_path)

    assert "redis-server" in text
    assert "events 1000" in text
    assert all(figure in text for figure in figures), text
    assert text.endswith("| a claim | 5 | at most 4 | **no** |")


def test_a_page_gets_its_sections_between_its_marks(tmp_path: Path) -> None:
    """What was between them goes, what is around them stays; twice is as once."""
    _record("restart", tmp_path)
    made = {"restart": section("restart", tmp_path), "memory": section("memory", tmp_path)}
    page = (
        "before\n\n<!-- restart -->\nyesterday\n<!-- end of restart -->\n\nbetween\n"
        "<!-- memory -->\n\nyesterday\n\n<!-- end of memory -->\n\nafter\n"
    )
    filled = fill(page, made)

    assert filled.startswith("before\n\n<!-- restart -->\nMeasured ")
    assert "|\n<!-- end of restart -->\n\nbetween\n<!-- memory -->\n\n<!-- end of" in filled
    assert filled.endswith("<!-- end of memory -->\n\nafter\n")
    assert "yesterday" not in filled
    assert fill(filled, made) == filled
