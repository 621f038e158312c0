"""How many entries to ask for, so that their bodies fit into what may be held."""

MAX_ENTRIES = 1024
MAX_BYTES = 32 * 1024 * 1024
# Until entries were seen they are taken to be large, so that the first read is a small one.
FIRST_GUESS_BYTES = 8 * 1024 * 1024
LEAST_BYTES = 256
# By which part of the way the guess comes down with each smaller entry.
EASE = 1 / 64


class Sizes:
    """Remembers about how large the entries are that come in."""

    def __init__(self) -> None:
        self._likely_bytes = float(FIRST_GUESS_BYTES)

    def note(self, size_bytes: int) -> None:
        """Take note of an entry; up at once and down slowly, as large ones come together."""
        size_bytes = max(LEAST_BYTES, size_bytes)
        eased = self._likely_bytes + (size_bytes - self._likely_bytes) * EASE
        self._likely_bytes = max(size_bytes, eased)

    @property
    def most(self) -> int:
        """How many entries may be asked for at once, 1 or more."""
        return max(1, min(MAX_ENTRIES, int(MAX_BYTES / self._likely_bytes)))
