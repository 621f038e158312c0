"""``python -m relay`` and the command ``relay``."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    try:
        # Here, since importing takes a while too, and Ctrl-C during it is no error of ours.
        from relay.commands import app  # noqa: PLC0415

        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
