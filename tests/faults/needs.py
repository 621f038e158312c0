"""What a scenario needs and this machine may lack, each as a question: why not?"""

import os
import subprocess
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from shutil import which

from relay.settings import Settings


def small_disk() -> str:
    """Ask for the right to have a file system in memory, by having one."""
    with tempfile.TemporaryDirectory(prefix="faults-") as where:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", where]
        try:
            mounted = subprocess.run(mount, capture_output=True, check=False)
        except OSError:
            return "there is no mount command"
        if mounted.returncode:
            return "no tmpfs can be mounted"
        subprocess.run(["umount", where], check=True)
    return ""


def namespaces() -> str:
    """Ask for network namespaces, by making one."""
    if which("ip") is None:
        return "there is no ip command (Debian: iproute2)"
    name = f"rf{os.getpid()}probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode:
        return "no network namespace can be made"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


def all_of(*others: Callable[[], str]) -> Callable[[], str]:
    """Ask for several things; the first that is lacking is named."""
    return lambda: next(filter(None, (need() for need in others)), "")


def sentinel() -> str:
    """Ask whether the relay finds its store through sentinels."""
    return "" if find_spec("relay.contract.sentinels") else "the relay knows no sentinels yet"


def replicated() -> str:
    """Ask whether the relay waits for replicas."""
    return "" if "durability" in Settings.model_fields else "the relay waits for no replicas yet"


def spool() -> str:
    """Ask whether the relay has a spool."""
    return "" if "spool" in Settings.model_fields else "the relay has no spool yet"


def cluster() -> str:
    """Ask whether the relay works over a cluster."""
    return "" if find_spec("relay.contract.cluster") else "the relay knows no clusters yet"
