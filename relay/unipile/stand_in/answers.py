"""Writes JSON answers, and reads what a request says beside its body."""

import msgspec
from aiohttp import web

from relay.unipile.stand_in.refused import Refused

DEFAULT_LIMIT = 20


def json_answer(document: object, status: int = 200) -> web.Response:
    """Answer with a document.

    Args:
        document: Anything that msgspec writes.
        status: 200 to 599.
    """
    body = msgspec.json.encode(document)
    return web.Response(status=status, body=body, content_type="application/json")


def refusal(refused: Refused) -> web.Response:
    """Answer that something was not done."""
    return json_answer(refused.document(), refused.status)


def page_answer(kind: str, rows: list[object], *, has_more: bool) -> web.Response:
    """Answer with one page of a list."""
    return json_answer({"object": kind, "data": rows, "has_more": has_more})


def bounds(request: web.Request, most: int) -> tuple[int, int]:
    """Read which part of a list is asked for.

    Args:
        request: With ``offset`` and ``limit`` in its query, or not.
        most: The most rows of a page; who asks for more gets so many.

    Returns:
        Where the page begins, and how long it is at most.

    Raises:
        Refused: One of them is no number.
    """
    # Assumption: who asks for a longer page gets the longest
    return _number(request, "offset", 0), min(_number(request, "limit", DEFAULT_LIMIT), most)


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise Refused(400, f"{name} must be a number.")
    return int(text)
