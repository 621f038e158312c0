"""Prints one line per event: what ``relay dev`` runs until there are handlers of your own."""

from consumers import Event, Worker
from relay.contract.printable import printable

worker = Worker(group="print-events")


@worker.on("*:*", accept_unverified=True)
async def print_event(event: Event) -> None:
    """Print what came, but not the body."""
    account = printable(event.account or "-", 40)
    print(
        f"{printable(event.type, 60)}  {printable(event.id, 60)}  account {account}  "
        f"{len(event.data)} bytes  attempt {event.attempt}",
        flush=True,
    )
