"""``relay secrets status``: which secrets are configured, and which of them are used."""

import time
from typing import Annotated

import typer

from relay.commands.options import AsJson, RedisUrl
from relay.commands.secrets.known import (
    endpoint_settings,
    read_known,
    read_usages,
    section_of,
)
from relay.commands.secrets.rows import rows_of, say_all
from relay.commands.store import environment
from relay.contract.display import show, show_json, tell
from relay.contract.loop import run

COLUMNS = ("endpoint", "secret", "counts", "fingerprint", "deliveries", "first", "last")
EMPTY = "No endpoint is configured here."


def status(
    endpoint: Annotated[
        str | None, typer.Argument(metavar="[ENDPOINT]", help="Only this one.", show_default=False)
    ] = None,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the endpoints' secrets, the newest first, and when each last proved a delivery.

    A fingerprint is the beginning of the secret's SHA-256; there is none for a secret that this
    terminal cannot read. Of several secrets that fit, the first is counted. Secrets that proved
    something within 90 days and are configured no more are shown too. With --json an array of
    objects with the keys endpoint, says, and secrets (objects: secret, configured, counts,
    counts_now, not_before, not_after, fingerprint, fault, deliveries, first, last).
    """
    settings = endpoint_settings(redis_url)
    names = sorted(settings.endpoints) if endpoint is None else [endpoint]
    environ = environment()
    knowns = {name: read_known(section_of(settings, name), environ) for name in names}
    usages = run(read_usages(settings, names))
    now_ms = time.time_ns() // 1_000_000
    rows = {name: rows_of(knowns[name], usages[name], now_ms) for name in names}
    says = {name: say_all(knowns[name], usages[name], now_ms) for name in names}
    if as_json:
        show_json(
            [
                {"endpoint": name, "says": " ".join(says[name]), "secrets": rows[name]}
                for name in names
            ]
        )
        return
    table = [{"endpoint": name, **row} for name in names for row in rows[name]]
    show(table, COLUMNS, as_json=False, empty=EMPTY if not names else "No secret is configured.")
    for name in names:
        tell(f"{name}: {' '.join(says[name])}")
