"""What a request says at a handshake's places."""

from collections.abc import Mapping
from functools import cached_property
from urllib.parse import parse_qsl

from relay.endpoint import Endpoint
from relay.provider import Handshake, texts
from relay.verify.in_json import parsed

# No handshake has more, and what has is not looked through.
MAX_FIELDS = 20
# No handshake is longer, so that a stranger's is not looked into for long.
MAX_BODY_BYTES = 16 * 1024


class Asked:
    """A request, or as much of it as is here.

    Args:
        endpoint: Where it was sent.
        method: Of the request.
        headers: Case-insensitive.
        query: Raw, without ``?``.
        body: Empty as long as it was not read.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        method: str,
        headers: Mapping[str, str],
        query: str,
        body: bytes = b"",
    ) -> None:
        self.endpoint = endpoint
        self.method = method
        self.headers = headers
        self.query = query
        self.body = body

    def value(self, place: str) -> object:
        """Give what stands at a place, of whatever kind; none where there is nothing."""
        source, _, name = place.partition(".")
        if source == "header":
            return self.headers.get(name)
        if source == "query":
            return self._fields.get(name)
        value = self._object
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def is_of(self, handshake: Handshake) -> bool:
        """Say whether this is a handshake."""
        if handshake.method != self.method or not self._may_be_of(handshake):
            return False
        if not handshake.place:
            return True
        found, wanted = self.value(handshake.place), handshake.value
        if wanted is None:
            is_it = isinstance(found, str) and found != ""
        else:
            # To Python True is 1, and to a sender it is not.
            is_it = type(found) is type(wanted) and found == wanted
        return is_it and all(self.value(place) is None for place in texts(handshake.absent))

    def _may_be_of(self, handshake: Handshake) -> bool:
        """Say whether the body is worth reading for it, which it hardly ever is."""
        if not handshake.place.startswith("body."):
            return True
        key = handshake.place.rpartition(".")[2]
        needle = handshake.value if isinstance(handshake.value, str) else key
        return len(self.body) <= MAX_BODY_BYTES and needle.encode() in self.body

    @cached_property
    def _fields(self) -> Mapping[str, str]:
        try:
            pairs = parse_qsl(self.query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError:
            return {}
        return dict(pairs)

    @cached_property
    def _object(self) -> object:
        return parsed(self.body)
