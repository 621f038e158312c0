"""Posts signed example events over HTTP: a sender's side, for `relay send`."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, InvalidURL
from yarl import URL

from relay.contract.examples import make_example
from relay.contract.explain import WRONG_USAGE, CommandFailed, redacted
from relay.contract.printable import printable
from relay.endpoint import Endpoint
from relay.verify import CannotSign, Signed, Unsent, sign

AT_ONCE = 16
TIMEOUT_SECONDS = 30.0
USER_AGENT = "webhook-relay-send"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said to one delivery.

    Args:
        status: HTTP status.
        result: ``stored``, ``duplicate``, ``filtered``, ``spooled``, or the reason of a refusal.
        event_id: The event's id, if it was accepted.
        entry_id: The entry that holds it, if it has one.
        request_id: By which the gateway knows this request, if it is one of ours.
    """

    status: int
    result: str
    event_id: str | None
    entry_id: str | None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sends what.

    Args:
        endpoint: For which it is signed.
        event_type: What type the events say.
        key: A private key as PEM, where the endpoint has the public one.
    """

    endpoint: Endpoint
    event_type: str
    key: bytes | None = None

    def make(self) -> Signed:
        """Make an event and sign it, at the last moment: it is judged by its age.

        Raises:
            CannotSign: There is no key for it.
        """
        example = make_example(
            self.endpoint.provider.name, self.event_type, renamed=self.endpoint.renamed
        )
        return sign(
            Unsent(
                endpoint=self.endpoint,
                body=example.body,
                at=int(time.time()),
                headers={"user-agent": USER_AGENT, **example.headers},
                key=self.key,
                event_id=example.id,
            )
        )


async def post_all(sender: Sender, count: int, *, url: str) -> list[Answer]:
    """Send events of a type, a few at once.

    Args:
        sender: Makes and signs them.
        count: How many.
        url: The endpoint's whole URL.

    Returns:
        The answers, in the order of sending.

    Raises:
        CommandFailed: They cannot be signed, or the gateway cannot be reached.
    """
    _check(sender)
    room = asyncio.Semaphore(AT_ONCE)
    timeout = ClientTimeout(total=TIMEOUT_SECONDS)
    # Not through a proxy: what is tried is the gateway itself.
    async with ClientSession(timeout=timeout, trust_env=False) as session:

        async def one() -> Answer:
            async with room:
                return await _post(session, sender.make(), url)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one()) for _ in range(count)]
        except* (ClientError, OSError, ValueError) as errors:
            raise unreachable(url, errors.exceptions[0]) from None
    return [task.result() for task in tasks]


def _check(sender: Sender) -> None:
    """Sign one for nothing, so that what cannot be signed is said before anything is sent."""
    try:
        sender.make()
    except CannotSign as fault:
        title = sender.endpoint.provider.title
        raise CommandFailed(
            f"Events of {title} cannot be signed: {fault}.", exit_code=WRONG_USAGE
        ) from None


async def _post(session: ClientSession, signed: Signed, url: str) -> Answer:
    # A query may be signed, so it goes out as it is.
    target = URL(f"{url}?{signed.query}", encoded=True) if signed.query else url
    async with session.post(
        target, data=signed.body, headers=signed.headers, allow_redirects=False
    ) as response:
        return read_answer(response.status, response.headers, await response.read())


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Sort an answer by what became of the event."""
    try:
        said = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.MsgspecError:
        said = {}
    if status == 200:
        marks = [name for name in ("duplicate", "filtered", "spooled") if said.get(name)]
        result = marks[0] if marks else "stored"
    else:
        result = printable(said.get("reason") or "no reason was given; is this the gateway?")
    return Answer(
        status,
        result,
        headers.get("relay-event-id"),
        headers.get("relay-entry-id"),
        headers.get("relay-request-id"),
    )


def unreachable(url: str, error: BaseException) -> CommandFailed:
    """Say why a gateway was not reached, as what ends the command."""
    where = printable(redacted(url))
    if isinstance(error, InvalidURL | ValueError):
        return CommandFailed(f"{where} is not a URL.", exit_code=WRONG_USAGE)
    return CommandFailed(
        f"The gateway cannot be reached at {where}: {printable(error) or type(error).__name__}\n"
        "Start it (`relay dev` or `relay serve`), or say where it is by --url."
    )
