"""How secrets stand in the text of a file: where they begin and end, and what is said of them.

A draft comes in, texts go out that may be what is wanted; whether one is, its meaning decides.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from relay.commands.edit.draft import Draft
from relay.commands.edit.render import key_text, value_text

if TYPE_CHECKING:
    from tomlkit.items import Array


def with_arrays(draft: Draft, endpoint: str, change: Callable[["Array"], str]) -> Iterator[str]:
    """Give a text for each place where an array stands that is written like the endpoint's."""
    # It takes longer to import than most commands run.
    import tomlkit  # noqa: PLC0415
    from tomlkit.items import Array  # noqa: PLC0415

    array = tomlkit.parse(draft.text)["endpoints"][endpoint].get("secrets")
    if not isinstance(array, Array):
        return
    written = array.as_string()
    new = change(array)
    for found in re.finditer(re.escape(written), draft.text):
        yield draft.text[: found.start()] + new + draft.text[found.end() :]


def put_first(array: "Array", reference: str) -> str:
    """Write an array with a reference before all others; what is said of those stays with them."""
    rest = array.as_string()[1:]
    indent = re.match(r"\s*\n[ \t]*", rest)
    if len(array) == 0 and "#" not in rest:
        return f"[{reference}]"
    if indent:
        return f"[{indent[0]}{reference},{rest}"
    space = re.match(r"[ \t]*", rest)
    gap = space[0] if space else ""
    return f"[{gap}{reference}, {rest.lstrip()}"


def take(array: "Array", numbers: list[int]) -> str:
    """Write an array without those of these numbers, and without what is said on their lines."""
    for number in reversed(numbers):
        del array[number]
    return array.as_string()


def with_end(array: "Array", numbers: list[int], until: datetime | None) -> str:
    """Write an array in which the secrets of these numbers count until a time only, or for good."""
    from tomlkit import value  # noqa: PLC0415 - takes longer to import than commands run

    for number in numbers:
        said = array[number].unwrap()
        if until is None and "not_after" not in said:
            continue
        said.pop("not_after", None)
        # Written anew: what is added to a table on one line is put after its last space.
        array[number] = value(value_text(said if until is None else {**said, "not_after": until}))
    return array.as_string()


def _header(endpoint: str, *, of_secrets: bool) -> re.Pattern[str]:
    key = rf"""(["']?){re.escape(endpoint)}\1"""
    path = rf"[ \t]*[\"']?endpoints[\"']?[ \t]*\.[ \t]*{key}[ \t]*"
    if of_secrets:
        return re.compile(rf"[ \t]*\[\[{path}\.[ \t]*[\"']?secrets[\"']?[ \t]*\]\]")
    return re.compile(rf"[ \t]*\[{path}\]")


def _parts(lines: list[str], header: re.Pattern[str]) -> list[tuple[int, int]]:
    """Give the first and the last line + 1 of each table of a name, without what follows it."""
    parts = []
    for first, line in enumerate(lines):
        if not header.match(line):
            continue
        end = first + 1
        for number in range(end, len(lines)):
            bare = lines[number].strip()
            if bare.startswith("["):
                break
            if bare and not bare.startswith("#"):
                end = number + 1
        parts.append((first, end))
    return parts


def with_line(draft: Draft, endpoint: str, line: str) -> Iterator[str]:
    """Give texts in which a line has been added to the endpoint's table, the best place first."""
    lines = draft.text.splitlines(keepends=True)
    for first, end in _parts(lines, _header(endpoint, of_secrets=False)):
        if lines[end - 1].endswith("\n"):
            yield "".join([*lines[:end], line, draft.line_end, *lines[end:]])
        yield "".join([*lines[:end], draft.line_end, line, draft.line_end, *lines[end:]])
        yield "".join([*lines[: first + 1], line, draft.line_end, *lines[first + 1 :]])


def with_table(draft: Draft, endpoint: str, reference: Mapping[str, object]) -> Iterator[str]:
    """Give the text with a table before the first `[[endpoints.x.secrets]]`, if there is one."""
    lines = draft.text.splitlines(keepends=True)
    parts = _parts(lines, _header(endpoint, of_secrets=True))
    for first, _ in parts[:1]:
        # What is said right above the first table is said of that one.
        at = first
        while at and lines[at - 1].lstrip().startswith("#"):
            at -= 1
        said = [f"{key_text(key)} = {value_text(value)}" for key, value in reference.items()]
        new = [f"[[endpoints.{endpoint}.secrets]]", *said, "", ""]
        yield "".join([*lines[:at], draft.line_end.join(new), *lines[at:]])


def without_tables(draft: Draft, endpoint: str, numbers: list[int]) -> str:
    """Give the text without the `[[endpoints.x.secrets]]` of these numbers."""
    lines = draft.text.splitlines(keepends=True)
    parts = _parts(lines, _header(endpoint, of_secrets=True))
    for number in reversed(numbers):
        if number < len(parts):
            first, end = parts[number]
            del lines[first:end]
    return "".join(lines)


def tables_with_end(draft: Draft, endpoint: str, numbers: list[int], until: datetime | None) -> str:
    """Give the text in which the `[[endpoints.x.secrets]]` of these numbers say until when."""
    lines = draft.text.splitlines(keepends=True)
    parts = _parts(lines, _header(endpoint, of_secrets=True))
    for number in reversed(numbers):
        if number < len(parts):
            first, end = parts[number]
            kept = [line for line in lines[first:end] if not re.match(r"\s*not_after\b", line)]
            if not kept[-1].endswith("\n"):
                kept[-1] += draft.line_end
            said = [] if until is None else [f"not_after = {value_text(until)}{draft.line_end}"]
            lines[first:end] = [*kept, *said]
    return "".join(lines)
