"""Shows dead letters: rows, counts, and one of them whole."""

import base64
import json
from collections.abc import Sequence

from consumers.operations.dead.letters import DeadLetter
from consumers.operations.dead.look import Row
from relay.contract.display import show, show_json, tell, time_text
from relay.contract.printable import printable

# A body is shown in full.
WHOLE = 1_000_000_000
COLUMNS = ("letter", "group", "type", "id", "reason", "attempts", "set_aside", "error")
EMPTY = "No dead letters."


def show_letters(letters: Sequence[DeadLetter], *, as_json: bool) -> None:
    """List letters, a row for each."""
    show([row(letter) for letter in letters], COLUMNS, as_json=as_json, empty=EMPTY)


def show_counts(rows: Sequence[Row], by: str, *, as_json: bool) -> None:
    """Show how many letters have something in common."""
    counted = [
        {
            by: one.value or None,
            "letters": one.letters,
            "oldest": time_text(one.oldest_ms),
            "newest": time_text(one.newest_ms),
        }
        for one in rows
    ]
    show(counted, (by, "letters", "oldest", "newest"), as_json=as_json, empty=EMPTY)


def show_whole(letter: DeadLetter, *, as_json: bool) -> None:
    """Show all of a letter; for people headers and a JSON body in lines of their own."""
    document = _document(letter)
    if as_json:
        show_json(document)
        return
    for name, value in document.items():
        lines = _lines(str(value)) if name in {"data", "headers"} else [printable(value, WHOLE)]
        tell(f"{printable(name):<20} {lines[0]}")
        for line in lines[1:]:
            tell(f"{'':<20} {line}")


def row(letter: DeadLetter) -> dict[str, object]:
    """Give what a list says of a letter."""
    return {
        "letter": letter.letter_id,
        "tag": letter.book.tag,
        "group": letter.book.group,
        "type": letter.text("type"),
        "id": letter.text("id"),
        "account": letter.text("account") or None,
        "reason": letter.text("reason"),
        "attempts": letter.attempts,
        "set_aside": time_text(letter.set_aside_ms),
        "error": letter.text("lasterror"),
    }


def _lines(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return [printable(text, WHOLE)]
    written = json.dumps(found, indent=2, ensure_ascii=False)
    return [printable(line, WHOLE) for line in written.split("\n")]


def _document(letter: DeadLetter) -> dict[str, object]:
    document: dict[str, object] = {
        "letter": letter.letter_id,
        "tag": letter.book.tag,
        "group": letter.book.group,
        "set_aside": time_text(letter.set_aside_ms),
    }
    names = [name.decode("utf-8", "replace") for name in letter.fields]
    document |= {name: letter.text(name) for name in names if name != "data"}
    body = letter.fields.get(b"data", b"")
    try:
        document["data"] = body.decode()
    except UnicodeDecodeError:
        document["data_base64"] = base64.b64encode(body).decode()
    return document
