"""``python -m relay`` and the command ``relay``."""

import gc
import signal
import sys
from importlib import import_module

from relay.contract.importing import importing
from relay.contract.standard import open_standard_streams

INTERRUPTED = 130
# What a program needs that runs until it is told to end, and no command that only looks.
NEEDED = {"serve": "relay.processes.parent", "dev": "relay.commands.dev.parts"}


def main() -> None:
    """Run the command line."""
    open_standard_streams()
    if sys.argv[1:2] == ["serve"]:
        # It means to reload; before there is anything to reload it must not end the gateway.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        _import_and_run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _import_and_run() -> None:
    with importing():
        from relay.commands import app  # noqa: PLC0415

        for needed in {NEEDED[word] for word in sys.argv[1:2] if word in NEEDED}:
            import_module(needed)
        # It stays until the end, and is not looked through for garbage either.
        gc.freeze()
    app()


if __name__ == "__main__":
    main()
