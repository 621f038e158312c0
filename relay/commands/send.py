"""``relay send``: signed example events, as the endpoint's sender would send them."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from relay.commands.options import AsJson
from relay.commands.store import environment, gateway_settings
from relay.contract.display import show, show_json, tell, warn
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.keys import is_event_type
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.endpoint import Endpoint
from relay.settings import Settings, build_endpoints

if TYPE_CHECKING:
    from relay.commands.post import Answer

COLUMNS = ("status", "result", "event_id", "entry_id")
SHOWN_ROWS = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("send")(send)


def send(
    endpoint: Annotated[
        str, typer.Argument(metavar="ENDPOINT", help="Its name, for example unipile.")
    ],
    event_type: Annotated[
        str, typer.Option("--type", help="Type of the events; any will do.")
    ] = "message.new",
    count: Annotated[int, typer.Option(min=1, help="How many events.")] = 1,
    url: Annotated[
        str | None,
        typer.Option(help="Where the gateway is. [http://127.0.0.1:8080, or the configured port]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send signed example events to a running gateway, each with an id and times of its own.

    The secret is the endpoint's, from the configuration. Ends with 1 if one was not answered 200.
    With --json an object: sent, statuses (status: how many) and events (objects with the keys
    status, result, event_id, entry_id).
    """
    # Only this command posts; importing what does would double the time of the others.
    from relay.commands.post import post_all  # noqa: PLC0415

    environ = environment()
    settings = gateway_settings(environ, None)
    target = _endpoint(endpoint, build_endpoints(settings, environ))
    answers = run(post_all(target, event_type, count, url=_url(url or _local(settings), endpoint)))
    _report(answers, as_json=as_json)
    if not is_event_type(event_type):
        warn(f"{printable(event_type)} cannot name a stream: look under {endpoint}:unidentified")
    refused = [answer for answer in answers if answer.status != 200]
    if refused:
        raise CommandFailed(
            f"{len(refused)} of {len(answers)} were not accepted, "
            f"the first with {refused[0].status}: {refused[0].result}"
            + _advice(refused[0].result, target)
        )


def _advice(reason: str, endpoint: Endpoint) -> str:
    if reason != "signature_mismatch":
        return ""
    # By name only. A running gateway may have been started with another environment.
    return (
        "\nThe gateway has another secret than this command, which took its own from "
        f"{endpoint.secrets[0].name}."
    )


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


def _url(base: str, endpoint: str) -> str:
    if not base.startswith(("http://", "https://")):
        raise CommandFailed(
            "--url must begin with http:// or https://, for example http://127.0.0.1:8080",
            exit_code=WRONG_USAGE,
        )
    return f"{base.rstrip('/')}/webhooks/{endpoint}"


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
