"""What single streams take, as the append script is told it."""


class StreamLimits:
    """What the append script is told of the streams' caps; overridden where there are any."""

    # Whether `of` need be asked at all.
    is_needed: bool = False

    def of(self, tag: str, event_type: str) -> str:
        """Give the limits of a stream, and of ``unidentified``, as caps.lua reads them."""
        del tag, event_type
        return ""
