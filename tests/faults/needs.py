"""What a scenario needs and this machine may lack, each as a question: why not?"""

import os
import subprocess
from collections.abc import Callable
from shutil import which


def root(what: str) -> Callable[[], str]:
    """Ask for the right to do something that only root may."""
    return lambda: "" if os.geteuid() == 0 else f"only root may {what}"


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
