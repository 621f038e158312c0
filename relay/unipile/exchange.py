"""One request to Unipile and its whole answer, or the failure that it came to.

It goes out once: whether it may go out again is for whoever asked to say. A redirect is followed
only where the key stays with the same server and nothing was done yet.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    InvalidURL,
    ServerDisconnectedError,
)
from yarl import URL

from relay.contract.printable import printable
from relay.unipile.failures import (
    Away,
    FailedItself,
    KeyRefused,
    NotPermitted,
    NotThere,
    Refused,
    TooMany,
    UnipileFailed,
    Unreadable,
)

# A page of a hundred endpoints, each with a list of thousands of accounts, is shorter.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_REDIRECTS = 3
SHOWN_CHARACTERS = 300
KEY_HEADER = "X-API-KEY"
# Whoever stands between gave up on Unipile, which may still be at it.
_GAVE_UP = frozenset({502, 504})
# Keys under which an error says in words what is wrong, the plainest first.
_WORDS = ("detail", "message", "error_description", "title", "error", "type")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Args:
        method: Of HTTP.
        path: Below the base, with a slash first.
        query: Names and values.
        body: Sent as JSON; none for no body.
        wish: What it is for, as it ends the sentence "Unipile could not …".
    """

    method: str
    path: str
    wish: str
    query: Mapping[str, str] | None = None
    body: Mapping[str, object] | None = None

    @property
    def changes(self) -> bool:
        """Whether something is another afterwards."""
        return self.method != "GET"


class Busy(Exception):
    """It has had too many requests for now.

    Args:
        retry_after: Seconds until the next, if it said so.
    """

    def __init__(self, retry_after: float | None) -> None:
        super().__init__()
        self.retry_after = retry_after


class Cut(ClientError):
    """The connection was there, and was cut."""


async def send_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Have a request that was cut off fail, a middleware for aiohttp.

    It would send some of them again by itself, and nobody knew that the first may have been done.

    Raises:
        Cut: The connection was there, and was cut.
    """
    try:
        return await handler(request)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as error:
        raise Cut(str(error)) from None


async def exchange(session: ClientSession, base: URL, request: Request, *, seconds: float) -> bytes:
    """Ask once.

    Args:
        session: With the key among its headers.
        base: Where Unipile is.
        request: What is asked.
        seconds: How long it may take.

    Returns:
        The body of an answer that says yes.

    Raises:
        Busy: It may be asked again.
        UnipileFailed: Anything else.
    """
    url = base.joinpath(request.path.lstrip("/"), encoded=True).with_query(request.query or {})
    if request.path.endswith("/") and not url.path.endswith("/"):
        url = url.with_path(url.path + "/", encoded=True, keep_query=True)
    body = None if request.body is None else msgspec.json.encode(request.body)
    try:
        async with asyncio.timeout(seconds):
            for _ in range(MAX_REDIRECTS):
                async with session.request(
                    request.method,
                    url,
                    data=body,
                    headers={"Content-Type": "application/json"} if body is not None else None,
                    allow_redirects=False,
                    timeout=ClientTimeout(),
                ) as response:
                    if response.status in {301, 302, 303, 307, 308}:
                        url = _next(request, url, response)
                        continue
                    answer = await _read(request, response)
                    return _judged(request, response, answer, session.headers.get(KEY_HEADER, ""))
    except TimeoutError:
        raise Away(
            f"Unipile could not {request.wish}: no answer within {seconds:.3g} seconds.",
            may_be_done=request.changes,
        ) from None
    except (ClientError, OSError, ValueError) as error:
        raise _cut(request, base, error) from None
    raise Unreadable(f"Unipile could not {request.wish}: it redirects without end.")


def _next(request: Request, url: URL, response: ClientResponse) -> URL:
    """Give where a redirect leads."""
    location = response.headers.get("Location", "")
    try:
        target = url.join(URL(location, encoded=True))
    except ValueError:
        target = URL()
    start = f"Unipile could not {request.wish}: {printable(url.origin())} answers with a redirect"
    if not target.absolute or target.origin() != url.origin():
        raise Unreadable(
            f"{start} to {printable(location, 200)}, which is not followed, since the key would go "
            "there. Is UNIPILE_API_URL right?"
        )
    # These let a client make a GET of it; 303 means just that, since what was asked is done. The
    # other two are taken only for a slash more or less.
    is_same_path = target.path.rstrip("/") == url.path.rstrip("/")
    keeps_method = response.status in {307, 308} or (response.status != 303 and is_same_path)
    if request.changes and not keeps_method:
        raise Unreadable(
            f"{start} ({response.status}) to {printable(target.path, 200)}, and not with what was "
            "done. Is UNIPILE_API_URL right?",
            may_be_done=True,
        )
    return target if target.query_string else target.with_query(url.query)


async def _read(request: Request, response: ClientResponse) -> bytes:
    answer = bytearray()
    while chunk := await response.content.readany():
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise Unreadable(
                f"Unipile could not {request.wish}: its answer has no end.",
                may_be_done=request.changes,
            )
    return bytes(answer)


def _judged(request: Request, response: ClientResponse, answer: bytes, key: str) -> bytes:
    """Give the answer, if it says yes."""
    status = response.status
    if 200 <= status <= 299:
        return answer
    said = _words_of(answer, key)
    quoted = f' It says: "{said}"' if said else ""
    start = f"Unipile could not {request.wish}"
    if status == 401:
        raise KeyRefused(
            f"{start}: it does not take the API key (401). Put one of version 2 into "
            f"UNIPILE_API_KEY; those of version 1 are others.{quoted}"
        )
    if status == 403:
        raise NotPermitted(
            f"{start}: the API key may not do that (403). It takes a key of the whole "
            f"application, not one of a single account.{quoted}"
        )
    if status == 404:
        raise NotThere(f"{start}: there is no such thing (404).{quoted}")
    if status == 429:
        raise Busy(_retry_after(response))
    if status >= 500:
        failed = Away if status in _GAVE_UP else FailedItself
        raise failed(
            f"{start}: it failed itself ({status}). Try again later.{quoted}",
            may_be_done=request.changes,
        )
    if status >= 400:
        raise Refused(f"{start}: it refused ({status}).{quoted}")
    raise Unreadable(f"{start}: it answered {status}.", may_be_done=request.changes)


def _words_of(answer: bytes, key: str) -> str:
    """Find what an error says in words, which may repeat the key that it does not like."""
    try:
        said = msgspec.json.decode(answer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    for _ in range(3):  # some put it into an object of its own, or a list
        if isinstance(said, list) and said:
            said = said[0]
        if not isinstance(said, dict):
            break
        said = next((said[word] for word in _WORDS if said.get(word)), None)
    if not isinstance(said, str):
        return ""
    return printable(said.replace(key, "***") if key else said, SHOWN_CHARACTERS)


def _retry_after(response: ClientResponse) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _cut(request: Request, base: URL, error: BaseException) -> UnipileFailed:
    if isinstance(error, InvalidURL):
        return Away(f"{printable(base)} is no URL; set UNIPILE_API_URL.")
    said = printable(error, SHOWN_CHARACTERS) or type(error).__name__
    return Away(
        f"Unipile could not {request.wish}: the connection to {printable(base)} failed or was cut "
        f"({said}).",
        # Without a connection nothing was sent.
        may_be_done=request.changes and not isinstance(error, ClientConnectorError),
    )


def too_many(request: Request, attempts: int, retry_after: float | None) -> TooMany:
    """Say that waiting did not help, or would take too long.

    Args:
        request: What was asked.
        attempts: How often.
        retry_after: Seconds until the next, if it said so.
    """
    still = f", still after {attempts} attempts" if attempts > 1 else ""
    when = "in a few minutes" if retry_after is None else f"after {retry_after:g} seconds"
    return TooMany(
        f"Unipile could not {request.wish}: it has had too many requests (429){still}. Try again "
        f"{when}."
    )
