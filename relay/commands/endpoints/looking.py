"""``relay endpoints list`` and ``show``: each endpoint, and what has become of its deliveries."""

from typing import Annotated, Any

import typer

from relay.commands.endpoints.glance import Glance, details_of, row_of
from relay.commands.endpoints.look import Surroundings, look, surroundings
from relay.commands.endpoints.nearest import did_you_mean
from relay.commands.options import AsJson, RedisUrl
from relay.contract.display import show, show_json, tell
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.contract.registry import WrongType, left_out

COLUMNS = (
    "endpoint",
    "provider",
    "state",
    "last_received",
    "last_stored",
    "last_refused",
    "reason",
    "secret",
)
USED = ("name", "count", "first", "last")
EMPTY = "No endpoint. `relay endpoints add` adds one."
WIDTH = 15


def list_all(redis_url: RedisUrl = None, as_json: AsJson = False) -> None:
    """Show each endpoint: state, when it last received, stored and refused, why, which secret.

    The first of these states that is so: not configured (in the store only), not loaded (no
    gateway has it now), never heard of, silent (nothing for a day), refusing (the last delivery was
    refused), dry run, receiving. With --json an array of objects with the keys endpoint, provider,
    state, last_received, last_stored, stored, refused, last_refused, reason and secret.
    """
    wrong: list[WrongType] = []
    rows = [row_of(glance) for glance in run(look(surroundings(redis_url), wrong))]
    show(rows, COLUMNS, as_json=as_json, empty=EMPTY)
    if wrong:
        raise CommandFailed(left_out(wrong))


def show_one(
    endpoint: Annotated[
        str, typer.Argument(metavar="ENDPOINT", help="Its name, for example unipile.")
    ],
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one endpoint: what its state means, and what to do.

    The URL to register, its types, what keeps events out, how often each outcome was, which secrets
    proved deliveries, and the newest row of its refusal log. With --json an object with the keys of
    the list, and says, loaded, url, types, filters, outcomes and secrets (objects with the keys
    name, count, first, last; secrets also fingerprint) and last_rejection.
    """
    wrong: list[WrongType] = []
    found = surroundings(redis_url)
    glances = run(look(found, wrong, endpoint))
    if not glances:
        raise _unknown(endpoint, found)
    if as_json:
        show_json(details_of(glances[0]))
    else:
        _report(glances[0])
    if wrong:
        raise CommandFailed(left_out(wrong))


def _report(glance: Glance) -> None:
    details: dict[str, Any] = details_of(glance)
    tell(details["says"])
    tell("")
    for name in (*COLUMNS, "loaded", "url", "types", "filters", "last_rejection"):
        value = details[name]
        lines = value if isinstance(value, list) else [value]
        for number, line in enumerate(lines or [None]):
            label = name.replace("_", " ") if number == 0 else ""
            tell(f"{label:<{WIDTH}} {'-' if line is None else printable(line, 1000)}")
    if details["outcomes"]:
        tell("")
        show(details["outcomes"], USED, as_json=False)
    if details["secrets"]:
        tell("")
        show(details["secrets"], (*USED, "fingerprint"), as_json=False)


def _unknown(name: str, found: Surroundings) -> CommandFailed:
    known = ", ".join(sorted(found.endpoints)) or "none"
    return CommandFailed(
        f"There is no endpoint {printable(name, 80)}, neither configured nor in the store; "
        f"configured: {known}.{did_you_mean(name, found.endpoints)}",
        exit_code=WRONG_USAGE,
    )
