"""A worker that notes the id of every event it is given, and what it has noted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import Program, worker

STREAM = "relay:{unipile}:message.new"
_HANDLERS = """
from consumers import Event, Worker

worker = Worker(group="keeper")


@worker.on("unipile:*")
async def keep(event: Event) -> None:
    with open("handled.txt", "a") as file:
        print(event.id, file=file)
"""


@contextmanager
def keeper(directory: Path, redis_url: str) -> Iterator[Program]:
    """Have one at work within the block."""
    (directory / "handlers.py").write_text(_HANDLERS)
    with worker(directory, redis_url, "handlers:worker") as program:
        yield program


def handled(directory: Path) -> set[str]:
    """Give the ids of the events that the handler was given."""
    file = directory / "handled.txt"
    return set(file.read_text().split()) if file.exists() else set()
