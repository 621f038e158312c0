"""Finds out whether a public URL leads to this relay, before anything is registered with it.

A URL comes in; nothing goes out where a gateway answers, and one line with what came instead where
none does. It sends nothing that a gateway would store, and hardly anything that it would log.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from relay.commands.post import read_answer
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable

REACH_SECONDS = 10.0
USER_AGENT = "webhook-relay-connect"
MAX_ANSWER_BYTES = 64 * 1024
SHOWN_CHARACTERS = 200
HOW_ELSE = (
    "Nothing was registered. --unchecked registers all the same, where only the outside reaches it."
)


async def reach(url: str) -> None:
    """Ask whoever answers at an endpoint's URL whether it is a gateway.

    Asked first is the URL with a slash at its end: a gateway has nothing there, so no refusal log
    gets a row. Only where a proxy passes nothing but the URL itself is that one asked too.

    Args:
        url: The endpoint's whole URL, as the sender has it.

    Raises:
        CommandFailed: Nobody answers, or somebody else.
    """
    # Not through a proxy of this terminal: what is tried is what a sender reaches.
    timeout = ClientTimeout(total=REACH_SECONDS)
    async with ClientSession(timeout=timeout, trust_env=False) as session:
        if await _get(session, f"{url}/"):
            instead = await _get(session, url)
            if instead:
                raise CommandFailed(f"{instead}\n{HOW_ELSE}")


def is_only_here(url: str) -> bool:
    """Tell whether a URL is of this machine, or of a network that nobody else can reach."""
    host = urlsplit(url).hostname or ""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _get(session: ClientSession, url: str) -> str:
    """Say what has answered, where it is no gateway."""
    try:
        async with session.get(
            url, headers={"user-agent": USER_AGENT}, allow_redirects=False
        ) as response:
            body = await response.content.read(MAX_ANSWER_BYTES)
            answer = read_answer(response.status, response.headers, body)
            return "" if answer.request_id else _other(url, response)
    except TimeoutError:
        said = f"no answer within {REACH_SECONDS:g} seconds"
    except (ClientError, OSError, ValueError) as error:
        said = printable(error, SHOWN_CHARACTERS) or type(error).__name__
    raise CommandFailed(
        f"{printable(url, SHOWN_CHARACTERS)} is not reached from here: {said}.\n{HOW_ELSE}"
    )


def _other(url: str, response: ClientResponse) -> str:
    start = f"{printable(url, SHOWN_CHARACTERS)} does not lead to this relay: "
    if 300 <= response.status < 400:
        target = printable(response.headers.get("location", ""), SHOWN_CHARACTERS) or "nowhere"
        return f"{start}it redirects to {target} ({response.status}). Give the URL where that ends."
    kind = printable(response.content_type, 80)
    server = printable(response.headers.get("server", ""), 80)
    named = f" of {server}" if server else ""
    return f"{start}a page{named} is answered ({response.status}, {kind})."
