"""Sends one example event as the endpoint's sender would: the only part of a trial that stores."""

from relay.commands.endpoints.probe import usual_type
from relay.commands.endpoints.trial import Step
from relay.commands.post import Sender, post_all
from relay.endpoint import Endpoint

_ADVICE = {
    "signature_mismatch": "The gateway has another secret than this command: `relay reload`, or "
    "start it again with the variable.",
    "filtered": "The endpoint is configured not to take it: accounts, event_types.",
}


async def send_one(endpoint: Endpoint, url: str) -> Step:
    """Send an example.

    Args:
        endpoint: Its first secret signs.
        url: The endpoint's whole URL.

    Raises:
        CommandFailed: It cannot be signed, or nobody answers.
    """
    event_type = usual_type(endpoint.provider.name)
    (answer,) = await post_all(Sender(endpoint=endpoint, event_type=event_type), 1, url=url)
    ok = answer.status == 200
    became = f"is taken: {answer.result}" if ok else "is refused"
    told = "200" if ok else f"{answer.status} {answer.result}"
    signs = endpoint.secrets[0].name if endpoint.secrets and ok else ""
    return Step(
        step="send",
        ok=ok,
        status=answer.status,
        result=answer.result,
        meaning=f"An example of {event_type} {became} ({told})",
        advice=_ADVICE.get(answer.result, ""),
        proves=signs,
    )
