"""Runs a worker whose times are shorter, so that a minute holds many deaths and takeovers.

``CHAOS_PACE`` says by how much; at 1 every time is the real one.
"""

import importlib
import os
import sys

from consumers.commands.worker import main

# Each name of a constant, and where it stands; a module that took it by name has its own.
TIMES = (
    ("consumers.heartbeat", "BEAT_SECONDS"),
    ("consumers.heartbeat", "DEAD_SECONDS"),
    ("consumers.heartbeat", "RETRY_SECONDS"),
    ("consumers.heartbeat", "TIMEOUT_SECONDS"),
    ("consumers.sweep", "SWEEP_SECONDS"),
    ("consumers.sweep", "MIN_IDLE_MS"),
    ("consumers.sweep", "LEASE_MS"),
    ("consumers.settle", "REFUSED_PAUSE_SECONDS"),
    ("consumers.discover", "POLL_SECONDS"),
    ("consumers.app", "POLL_SECONDS"),
    ("consumers.read", "BLOCK_SECONDS"),
    ("consumers.read_by_tag", "BLOCK_SECONDS"),
    ("consumers.readers", "BLOCK_SECONDS"),
    ("consumers.order.watch", "BLOCK_SECONDS"),
    ("consumers.order.reader", "BLOCK_SECONDS"),
    ("consumers.readers", "ORDER_BLOCK_SECONDS"),
    ("consumers.order.holdings", "LOOK_SECONDS"),
    ("consumers.order.reader", "COMPARE_SECONDS"),
    ("consumers.waiting.restore", "EVERY_SECONDS"),
    ("consumers.waiting.restore", "LOOK_SECONDS"),
    ("relay.contract.connect", "BLOCK_MARGIN_SECONDS"),
)


def shorten(pace: float) -> None:
    """Divide every time.

    Args:
        pace: By this much, 1 or more.
    """
    for module_name, name in TIMES:
        module = importlib.import_module(module_name)
        value = getattr(module, name)
        setattr(module, name, type(value)(value / pace))


if __name__ == "__main__":
    shorten(float(os.environ.get("CHAOS_PACE", "1")))
    sys.exit(main())
