"""``python -m consumers MODULE:NAME``: runs a worker."""

import sys

from relay.contract.importing import importing


def main() -> int:
    """Import what a worker needs, which is most of its start, and run it."""
    with importing():
        from consumers.commands.worker import main as run  # noqa: PLC0415
    return run()


if __name__ == "__main__":
    sys.exit(main())
