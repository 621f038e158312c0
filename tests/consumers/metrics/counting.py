"""What Prometheus would read of a worker."""

import re

from consumers.metrics.families import WORKER
from relay.contract.tally import Tally, text


def samples(tally: Tally) -> dict[str, float]:
    """Give every sample that is not zero, by what is its own in name and labels."""
    return samples_of(text(tally, WORKER).decode())


def samples_of(shown: str) -> dict[str, float]:
    """Do the same with a page."""
    found = {}
    for line in shown.splitlines():
        name, _, value = line.rpartition(" ")
        if not line.startswith("#") and float(value):
            found[_short(name)] = float(value)
    return found


def _short(name: str) -> str:
    """Leave out what all have: the beginning, and the group."""
    labels = re.sub(r',group="crm"|group="crm",|\{group="crm"\}', "", name)
    return labels.removeprefix("relay_worker_")
