"""One line when a tag cannot be looked after, and silence until it can be again.

A key of a wrong type in one endpoint's books must not stop the duties of the others, nor fill
the log.
"""

import structlog

from relay.contract.connect import word_of

_log = structlog.get_logger("consumers.duties")


class Skips:
    """Remembers what one duty passes over.

    Args:
        duty: Its name in the log.
    """

    def __init__(self, duty: str) -> None:
        self._duty = duty
        self._skipped: set[str] = set()

    def note(self, name: str, error: Exception) -> None:
        """Say that something is passed over, the first time."""
        if name not in self._skipped:
            self._skipped.add(name)
            _log.error("skipped", duty=self._duty, what=name, error=word_of(error))

    def clear(self, name: str) -> None:
        """It works again."""
        self._skipped.discard(name)
