"""``python -m consumers.processes N MODULE:NAME``: starts one of several worker processes.

What it does is in `consumers.processes.child`.
"""

import sys

from relay.contract.importing import importing


def main() -> int:
    """Import what the process needs, which is most of its start, and run it."""
    with importing():
        from consumers.processes.child import main as run  # noqa: PLC0415
    return run()


if __name__ == "__main__":
    sys.exit(main())
