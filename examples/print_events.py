"""Prints one line for every event: the smallest useful worker, and the one that compose starts.

relay worker examples.print_events:worker
"""

from consumers import Event, Worker
from relay.contract.printable import printable

worker = Worker(group="printer")


@worker.on("*:*")
async def print_event(event: Event) -> None:
    """Print the type, id, account and size of an event."""
    # Flushed at once: into a pipe, Python would else keep lines back until it has many.
    print(line_of(event), flush=True)


def line_of(event: Event) -> str:
    """Describe an event in one line; never its body, which may be private."""
    # Type, id and account are a sender's text and could hold escape sequences.
    return (
        f"type={printable(event.type)} id={printable(event.id)} "
        f"account={printable(event.account or '-')} bytes={len(event.data)}"
    )
