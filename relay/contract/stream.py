"""Which stream an entry is in: tag and type, and the key that they make."""

from dataclasses import dataclass

from relay.contract.keys import endpoint_of


@dataclass(frozen=True, slots=True, order=True)
class Stream:
    """The stream of one event type in one tag.

    Args:
        tag: Endpoint or partition.
        event_type: The type.
        key: Its key in the store.
    """

    tag: str
    event_type: str
    key: str

    @property
    def endpoint(self) -> str:
        """The endpoint, its partition left out."""
        return endpoint_of(self.tag)
