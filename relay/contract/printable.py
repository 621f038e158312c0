"""Text from outside, made safe for a terminal.

A sender's event id may hold escape sequences, markup or characters that turn the reading
direction round. What a command prints goes through here first.
"""

import unicodedata

# Controls, formats (bidi marks among them), surrogates, private use, line and paragraph ends.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def printable(text: object, limit: int = 200) -> str:
    """Show a value with everything invisible written out.

    Args:
        text: Anything; bytes are taken as UTF-8.
        limit: How many characters are shown before ``…``.

    Returns:
        One line, without any character that a terminal acts upon.
    """
    raw = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    cut = raw if len(raw) <= limit else raw[:limit] + "…"
    if cut.isascii() and cut.isprintable():
        return cut  # nearly every value, and tables have thousands
    return "".join(_written(character) for character in cut)


def _written(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
