"""``relay secrets pending``: what came by handshakes and waits for an operator."""

from typing import Annotated

import typer

from relay.commands.options import AsJson, RedisUrl
from relay.commands.secrets.known import endpoint_settings
from relay.commands.secrets.waiting import waiting
from relay.contract.display import show, time_text
from relay.contract.loop import run

COLUMNS = ("endpoint", "came", "fingerprint")
EMPTY = "No secret waits."


def pending(
    reveal: Annotated[
        bool, typer.Option("--show", help="Show the secrets too: some senders want them back.")
    ] = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the secrets that wait: endpoint, time at which they came, fingerprint.

    Anyone can send one, so look whether endpoint and time are those of your set-up. A fingerprint
    is the beginning of the secret's SHA-256. What nobody accepts within a day is forgotten. With
    --json an array of objects with the keys endpoint, came (RFC 3339), fingerprint and, with
    --show, secret.
    """
    found = run(waiting(endpoint_settings(redis_url)))
    rows = [
        {"endpoint": each.endpoint, "came": time_text(each.came_at_ms)}
        | {"fingerprint": each.fingerprint}
        | ({"secret": each.secret} if reveal else {})
        for each in found
    ]
    show(rows, (*COLUMNS, "secret") if reveal else COLUMNS, as_json=as_json, empty=EMPTY)
