"""Patterns that choose streams: ``endpoint:type``.

``*`` matches any run of characters, but never the first ``:``, so a pattern always says which
endpoints and which types it means.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

# No endpoint and type together are longer.
MAX_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern, as a user wrote it.

    Args:
        endpoint: What the endpoint must match.
        event_type: What the event type must match.
    """

    endpoint: str
    event_type: str

    def __str__(self) -> str:
        return f"{self.endpoint}:{self.event_type}"

    def matches(self, endpoint: str, event_type: str) -> bool:
        """Tell whether a stream is meant."""
        return self.means_endpoint(endpoint) and _matches(self.event_type, event_type)

    def means_endpoint(self, endpoint: str) -> bool:
        """Tell whether streams of an endpoint can be meant."""
        return _matches(self.endpoint, endpoint)

    @property
    def specificity(self) -> int:
        """How much a pattern says: the characters that are not ``*``, and one for no ``*``."""
        text = f"{self.endpoint}{self.event_type}"
        return 2 * len(text.replace("*", "")) + ("*" not in text)

    def overlaps(self, other: "Pattern") -> bool:
        """Tell whether some stream is meant by both."""
        return _overlap(self.endpoint, other.endpoint) and _overlap(
            self.event_type, other.event_type
        )


def parse_pattern(text: str) -> Pattern:
    """Read a pattern.

    Raises:
        ValueError: The text is not ``endpoint:type``.
    """
    endpoint, colon, event_type = text.partition(":")
    if not colon or not endpoint or not event_type or len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"{text[:MAX_CHARACTERS]!r} is not a pattern: write endpoint:type, "
            "for example unipile:message.* or *:message.new"
        )
    return Pattern(endpoint, event_type)


@lru_cache(maxsize=1024)
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in glob.split("*")), re.DOTALL)


def _matches(glob: str, text: str) -> bool:
    return _compiled(glob).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _overlap(one: str, other: str) -> bool:
    if not one or not other:
        return not (one or other).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(other, one)
    return one[0] == other[0] and _overlap(one[1:], other[1:])
