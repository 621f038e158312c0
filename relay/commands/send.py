"""``relay send``: signed example events, as the endpoint's sender would send them."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.commands.gateway_url import endpoint_url
from relay.commands.options import AsJson
from relay.commands.store import environment, gateway_settings
from relay.contract.display import show, show_json, tell, warn
from relay.contract.examples import example_types
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.keys import is_event_type
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.endpoint import Endpoint
from relay.provider import Provider
from relay.scheme import Jwt, Signature
from relay.settings import Settings, build_endpoints

if TYPE_CHECKING:
    from relay.commands.post import Answer

COLUMNS = ("status", "result", "event_id", "entry_id")
SHOWN_ROWS = 20
UNIPILE, USUAL_TYPE = "unipile", "message.new"


def send(
    endpoint: Annotated[
        str, typer.Argument(metavar="ENDPOINT", help="Its name, for example unipile.")
    ],
    event_type: Annotated[
        str | None,
        typer.Option("--type", help="Type of the events. [the first that has an example]"),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many events.")] = 1,
    url: Annotated[
        str | None,
        typer.Option(
            help="Where the gateway is, or the endpoint's whole URL. [http://127.0.0.1:8080, or "
            "the configured port]"
        ),
    ] = None,
    private_key: Annotated[
        Path | None,
        typer.Option(help="A file (PEM) that signs for a sender whose public key is configured."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send signed example events to a running gateway.

    Each has an id and times of its own. Secret and public URL are the endpoint's, from the
    configuration. Ends with 1 if one was not answered 200. With --json an object: sent, statuses
    (status: how many) and events (objects with the keys status, result, event_id, entry_id).
    """
    # Imported once it is run: help, and what was typed wrongly, wait for nothing.
    from relay.commands.post import Sender, post_all  # noqa: PLC0415

    environ = environment()
    settings = gateway_settings(environ, None)
    target = _endpoint(endpoint, build_endpoints(settings, environ))
    sender = Sender(
        endpoint=target,
        event_type=_type(event_type, target.provider.name),
        key=_key(private_key, target),
    )
    answers = run(post_all(sender, count, url=endpoint_url(url or _local(settings), endpoint)))
    _report(answers, as_json=as_json)
    if not is_event_type(sender.event_type):
        named = printable(sender.event_type)
        warn(f"{named} cannot name a stream: look under {endpoint}:unidentified")
    refused = [answer for answer in answers if answer.status != 200]
    if refused:
        raise CommandFailed(
            f"{len(refused)} of {len(answers)} were not accepted, "
            f"the first with {refused[0].status}: {refused[0].result}"
            + _advice(refused[0].result, target)
            + _explained(refused[0])
        )


def _advice(reason: str, endpoint: Endpoint) -> str:
    if reason != "signature_mismatch":
        return ""
    # By name only. A running gateway may have been started with another environment.
    counting = endpoint.secrets_at(time.time_ns() // 1_000_000)
    where = counting[0].name if counting else "certificate_file"
    if _has_private_key(endpoint.provider):
        return f"\nThe public key from {where} is not that of --private-key, or not the gateway's."
    url = f" Or its public_url is not {endpoint.public_url}." if endpoint.public_url else ""
    return (
        f"\nThe gateway has another secret than this command, which took its own from {where}.{url}"
    )


def _explained(answer: "Answer") -> str:
    """Say where the whole reason is, if the gateway keeps it."""
    if answer.status != 401 or answer.request_id is None:
        return ""
    return f"\n`relay rejections explain {printable(answer.request_id)}` says why."


def _type(wanted: str | None, provider: str) -> str:
    """Give the type to be sent: of the senders other than Unipile only those with an example."""
    known = example_types(provider)
    is_any = provider == UNIPILE or not known
    if wanted is None:
        return USUAL_TYPE if is_any else known[0]
    if is_any or wanted in known:
        return wanted
    raise CommandFailed(
        f"There is no example of {printable(wanted, 80)} for {provider}; "
        f"known: {', '.join(known)}.",
        exit_code=WRONG_USAGE,
    )


def _key(file: Path | None, endpoint: Endpoint) -> bytes | None:
    provider = endpoint.provider
    if provider.scheme.has_certificate and endpoint.certificate is None:
        raise CommandFailed(
            f"{provider.title} signs with a certificate of its own, so nobody else can sign for "
            "it. To try an endpoint, give it a certificate of yours: certificate_file.",
            exit_code=WRONG_USAGE,
        )
    if _has_private_key(provider) != (file is not None):
        raise CommandFailed(
            f"{provider.title} signs with a private key, of which the endpoint has the public one: "
            "--private-key FILE must say where one is."
            if file is None
            else f"{provider.title} signs with the endpoint's secret, and not with a private key.",
            exit_code=WRONG_USAGE,
        )
    try:
        return file.read_bytes() if file else None
    except OSError as fault:
        raise CommandFailed(
            f"{printable(file)} cannot be read: {fault.strerror}.", exit_code=WRONG_USAGE
        ) from None


def _has_private_key(provider: Provider) -> bool:
    scheme = provider.scheme
    if isinstance(scheme, Signature):
        return scheme.is_asymmetric
    return scheme.has_certificate or (isinstance(scheme, Jwt) and scheme.algorithm == "ES256")


def _endpoint(name: str, endpoints: dict[str, Endpoint]) -> Endpoint:
    if name in endpoints:
        return endpoints[name]
    if not endpoints:
        raise CommandFailed(
            "No endpoint is configured. Set UNIPILE_WEBHOOK_SECRET, write relay.toml, "
            "or start `relay dev` in this directory.",
            exit_code=WRONG_USAGE,
        )
    raise CommandFailed(
        f"There is no endpoint {printable(name, 80)}; configured: {', '.join(sorted(endpoints))}.",
        exit_code=WRONG_USAGE,
    )


def _local(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.port}"


def _report(answers: list["Answer"], *, as_json: bool) -> None:
    rows: list[dict[str, object]] = [
        {
            "status": answer.status,
            "result": answer.result,
            "event_id": answer.event_id,
            "entry_id": answer.entry_id,
        }
        for answer in answers
    ]
    statuses = Counter(answer.status for answer in answers)
    if as_json:
        show_json({"sent": len(answers), "statuses": statuses, "events": rows})
        return
    show(rows[:SHOWN_ROWS], COLUMNS, as_json=False)
    if len(rows) > SHOWN_ROWS:
        tell(f"… and {len(rows) - SHOWN_ROWS} more")
    for status, number in sorted(statuses.items()):
        tell(f"{number} × {status}")
