"""Which stream an entry is in: tag and type, and the key that they make."""

from dataclasses import dataclass

from relay.contract.keys import AGAIN, endpoint_of


@dataclass(frozen=True, slots=True, order=True)
class Stream:
    """The stream of one event type in one tag.

    Args:
        tag: Endpoint or partition.
        event_type: The type.
        key: Its key in the store.
        again: It is not the type's own, but what one group is given again of it.
    """

    tag: str
    event_type: str
    key: str
    again: bool = False

    @property
    def book_name(self) -> str:
        """What the group's books call it: entry ids of the two kinds may be equal."""
        return f"{AGAIN}{self.event_type}" if self.again else self.event_type

    @property
    def endpoint(self) -> str:
        """The endpoint, its partition left out."""
        return endpoint_of(self.tag)
