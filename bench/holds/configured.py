"""What a gateway of a benchmark is configured with: options in, its ``relay.toml`` out."""

from argparse import ArgumentParser, Namespace
from pathlib import Path


def add_deadline(parser: ArgumentParser) -> None:
    """Have a benchmark take how long a delivery waits for the store.

    A machine that stands still for a moment costs no answer where that is longer than the moment.
    """
    parser.add_argument(
        "--deadline", type=float, help="seconds that a delivery waits for the store; the default"
    )


def configure(directory: Path, given: Namespace, *sections: str) -> None:
    """Write what is not the gateway's default; nothing where all is.

    Args:
        directory: Where the gateway will run.
        given: Options with a ``deadline``.
        sections: More, as TOML.
    """
    deadline = given.deadline
    settings = [] if deadline is None else [f"append_deadline_seconds = {deadline}"]
    if lines := [*settings, *sections]:
        (directory / "relay.toml").write_text("\n".join(lines) + "\n", "utf-8")
