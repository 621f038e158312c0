"""Text with places in braces: ``v0:{timestamp}:{body}``, ``{body.type}.{body.action}``.

A text comes in, its pieces go out; what a place means is for whoever uses it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

_PIECES = re.compile(r"\{([^{}]*)\}")
NUMBER = "|number"


@dataclass(frozen=True, slots=True)
class Template:
    """A text in pieces.

    Args:
        literals: The text before, between and after the places: one more than there are places.
        places: What stands in the braces, in order.
    """

    literals: tuple[str, ...]
    places: tuple[str, ...]


@lru_cache(1024)
def parse_template(text: str) -> Template:
    """Cut a text into pieces.

    Raises:
        ValueError: A brace has no other one.
    """
    pieces = _PIECES.split(text)
    literals, places = tuple(pieces[::2]), tuple(pieces[1::2])
    if any("{" in literal or "}" in literal for literal in literals) or "" in places:
        raise ValueError(f"{text!r}: braces hold the name of a place, and go by pairs")
    return Template(literals, places)
