"""One thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail", "mended"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and what to do about it.

    Args:
        state: How it is.
        what: What was looked at.
        found: What is there.
        advice: What to do; empty where nothing is to be done.
    """

    state: State
    what: str
    found: str
    advice: str = ""

    def row(self) -> dict[str, object]:
        """Give it as a row to show."""
        return {
            "state": self.state,
            "what": self.what,
            "found": self.found,
            "advice": self.advice or None,
        }
