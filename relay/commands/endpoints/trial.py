"""Sends probes to a running gateway, and says of each answer what it means."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from relay.commands.endpoints.probe import Probe
from relay.commands.post import TIMEOUT_SECONDS, Answer, read_answer, unreachable
from relay.contract.printable import printable

USER_AGENT = "webhook-relay-test"
# No answer of a gateway is longer; somebody else's may be.
MAX_ANSWER_BYTES = 64 * 1024
UNKNOWN = "unknown_endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What came of one request.

    Args:
        step: A word for the request.
        ok: It was answered as expected.
        status: What was answered.
        result: The reason of a refusal, or what became of it.
        meaning: What was sent and what was answered, in a sentence.
        advice: What to do where it is not as expected.
        proves: The secret that the gateway has proved to have.
    """

    step: str
    ok: bool
    status: int
    result: str
    meaning: str
    advice: str = ""
    proves: str = ""


@dataclass(frozen=True, slots=True)
class _Said:
    answer: Answer
    body: bytes
    content_type: str
    location: str
    headers: dict[str, str]


async def try_all(probes: Sequence[Probe], url: str) -> list[Step]:
    """Send probes one after another, until one shows that nothing else can be learnt.

    Args:
        probes: What is sent.
        url: The endpoint's whole URL.

    Raises:
        CommandFailed: Nobody answers there.
    """
    steps: list[Step] = []
    timeout = ClientTimeout(total=TIMEOUT_SECONDS)
    # Not through a proxy of this terminal: what is tried is what a sender reaches.
    async with ClientSession(timeout=timeout, trust_env=False) as session:
        for probe in probes:
            try:
                said = await _send(session, probe, url)
            except (ClientError, OSError, ValueError) as error:
                raise unreachable(url, error) from None
            steps.append(_judged(probe, said))
            if not steps[-1].ok and said.answer.status not in {200, 401}:
                break
    return steps


async def _send(session: ClientSession, probe: Probe, url: str) -> _Said:
    target = URL(f"{url}?{probe.query}", encoded=True) if probe.query else url
    async with session.request(
        probe.method,
        target,
        data=probe.body or None,
        headers={"user-agent": USER_AGENT, **probe.headers},
        allow_redirects=False,
    ) as response:
        body = await response.content.read(MAX_ANSWER_BYTES)
        return _Said(
            answer=read_answer(response.status, response.headers, body),
            body=body,
            content_type=response.content_type,
            location=response.headers.get("location", ""),
            headers={name.lower(): value for name, value in response.headers.items()},
        )


def _judged(probe: Probe, said: _Said) -> Step:
    answer = said.answer
    is_greeting = probe.answer is not None
    ok = _is_answered(probe, said) if is_greeting else _is_refused(probe, answer)
    result = "answered" if is_greeting and answer.status == probe.status else answer.result
    return Step(
        step=probe.name,
        ok=ok,
        status=answer.status,
        result=result,
        meaning=_meaning(probe, said, ok=ok),
        advice="" if ok else _advice(probe, said),
        proves=probe.secret if ok else "",
    )


def _is_refused(probe: Probe, answer: Answer) -> bool:
    return (answer.status, answer.result) == (probe.status, probe.reason)


def _is_answered(probe: Probe, said: _Said) -> bool:
    wanted = probe.answer
    return wanted is not None and (
        said.answer.status == wanted.status
        and (probe.method == "HEAD" or said.body == wanted.body)
        and all(said.headers.get(name.lower()) == value for name, value in wanted.headers.items())
    )


def _meaning(probe: Probe, said: _Said, *, ok: bool) -> str:
    answer = said.answer
    if probe.answer is not None:
        became = "is answered as it must be" if ok else "is not answered as it must be"
        told = f"{answer.status}" if ok else f"{answer.status}, and not {probe.status} as expected"
    elif answer.status == 200:
        became, told = f"is taken: {answer.result}", "200"
    else:
        became, told = "is refused", f"{answer.status} {answer.result}"
        told += "" if ok else f", and not {probe.status} {probe.reason} as expected"
    proof = f"; so the gateway has the secret from {printable(probe.secret)}"
    return f"{printable(probe.text)} {became} ({told}){proof if ok and probe.secret else ''}"


def _advice(probe: Probe, said: _Said) -> str:
    status, result = said.answer.status, said.answer.result
    if result == UNKNOWN:
        return (
            "The gateway knows no such endpoint. Has it read the file since that was changed? "
            "`relay reload`, or start it again; and it must read the same file (RELAY_CONFIG)."
        )
    if 300 <= status < 400:
        return (
            f"It is a redirect to {printable(said.location) or 'nowhere'}, and senders follow "
            "none. Register, and try, the URL to which it leads."
        )
    if status == 200 and probe.answer is None:
        return (
            "So anyone can write events here. Is the endpoint in dry run, or configured otherwise "
            "in the gateway than in this file? `relay reload`, or start it again."
        )
    if status == 401 and probe.secret:
        return _secret_advice(probe, result)
    return _other_advice(status, result)


def _secret_advice(probe: Probe, result: str) -> str:
    if result != "signature_mismatch":
        return "The gateway is configured otherwise than this file says, or another version."
    return (
        f"The gateway has not the secret that is here in {printable(probe.secret)}. A file is read "
        "again by `relay reload`; a variable is that with which the gateway was started. Where the "
        "URL is signed, public_url may differ too."
    )


def _other_advice(status: int, result: str) -> str:
    if status in {429, 503}:
        return "The gateway takes nothing now. `relay check` says why; then try again."
    if result.startswith("no reason was given"):
        return (
            "That is no answer of the gateway: a proxy before it answers itself, changes what "
            "passes, or leads elsewhere. Try the gateway directly: --url http://127.0.0.1:8080"
        )
    return (
        "The gateway is configured otherwise than this file says: `relay reload`, or start it "
        "again. Or a proxy before it takes headers away."
    )
