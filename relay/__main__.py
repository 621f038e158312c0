"""``python -m relay`` and the command ``relay``."""

import signal
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["serve"]:
        # It means to reload; before there is anything to reload it must not end the gateway.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        _import_and_run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _import_and_run() -> None:
    # Importing takes a while, has nothing to clean up, and can swallow a Ctrl-C raised within it.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from relay.commands import app  # noqa: PLC0415

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    app()


if __name__ == "__main__":
    main()
