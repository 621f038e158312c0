"""Values of a body that is JSON, for schemes that have some of what is signed in there."""

import msgspec


def text_at(body: bytes, path: str) -> str | None:
    """Give a text or a whole number at a path, as text.

    Args:
        body: Any bytes.
        path: Keys with points between.

    Returns:
        None where the body is no JSON, or has nothing of that kind there.
    """
    return text_in(parsed(body), path)


def parsed(body: bytes) -> object:
    """Read a body; none where it is not JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: text not UTF-8
        return None


def text_in(value: object, path: str) -> str | None:
    """Do what `text_at` does with a body that was read."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None
