"""The reference page of the presets, written from the presets: ``make docs``.

Nothing comes in, ``docs/reference/providers.md`` goes out; a test compares the two.
"""

import sys
from collections.abc import Iterator
from importlib.resources import files
from itertools import groupby

from relay.commands.providers.facts import UNPROVEN, Facts, facts_of
from relay.commands.providers.lines import lines_of
from relay.commands.providers.rows import rows_of
from relay.provider import Provider
from relay.providers import PROVIDERS

HEAD = "head.md"


def page() -> str:
    """Write the page."""
    presets = list(PROVIDERS.values())
    head = (files(__package__) / HEAD).read_text("utf-8")
    parts = [head, *_table(map(facts_of, presets)), *(_section(each) for each in presets)]
    return "\n".join(parts)


def _table(facts: Iterator[Facts]) -> list[str]:
    head = ("Preset", "Sender", "Proves", "Signed", "Tolerance", "Before events", "Needs")
    rows = [_line(*head, "Tested with"), _line(*["---"] * (len(head) + 1))]
    return ["## All of them\n", *rows, *(_line(*_cells(each)) for each in facts), ""]


def _cells(facts: Facts) -> list[str]:
    signed = [what for what in ("id", "type", "time") if getattr(facts, f"{what}_signed")]
    tolerance = facts.tolerance_seconds
    needs = [*(f"`{name}`" for name in facts.needs), *(["*extra*"] if facts.extra else [])]
    return [
        f"[`{facts.name}`](#{facts.name})",
        facts.title,
        f"`{facts.proves}`",
        ", ".join(signed) or "–",
        "–" if tolerance is None else f"{tolerance} s",
        ", ".join(facts.handshakes) or "–",
        ", ".join(needs),
        ", ".join(facts.proved_by) or f"*{UNPROVEN}*",
    ]


def _section(provider: Provider) -> str:
    rows = [
        _line(what, _each([text for _, text in group]))
        for what, group in groupby(rows_of(provider), key=lambda row: row[0])
    ]
    lines = f"```toml\n{lines_of(provider)}\n```"
    table = "\n".join([_line(provider.title, ""), _line("---", "---"), *rows])
    return f"## {provider.name}\n\n{lines}\n\n{table}\n"


def _each(given: list[str]) -> str:
    return "<br>".join(f"<{text}>" if text.startswith("https://") else text for text in given)


def _line(*cells: str) -> str:
    # A bar ends a cell, also within code.
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |".replace(
        "|  |", "| |"
    )


if __name__ == "__main__":
    sys.stdout.write(page())
