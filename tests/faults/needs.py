"""What a scenario needs and this machine may lack, each as a question: why not?"""

import os
import subprocess
import tempfile
from shutil import which


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
