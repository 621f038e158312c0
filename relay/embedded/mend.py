"""What to do when the server cannot read its own file.

A file cut short at its end is read as far as it goes; one that is broken in its middle stops the
server, since everything after the fault would be lost without a word.

Source: redis.conf, "aof-load-truncated"; https://valkey.io/topics/persistence/
"""

import re
import shlex
from pathlib import Path

# Servers before 7.0 have but one file, and do not name it.
_BROKEN = re.compile(r"append only file (\S+\.aof)\b|format reading the append only file:")
_ONLY_FILE = "appendonly.aof"


def repair_advice(said: str, data: Path, server: Path) -> str:
    """Say how a broken file is mended, if that is what stopped the server.

    Args:
        said: The last lines of the server's log.
        data: Its data directory.
        server: Its program.

    Returns:
        Further lines for a message; empty where something else is wrong.
    """
    broken = _BROKEN.search(said)
    if broken is None:
        return ""
    name = broken[1] or _ONLY_FILE
    file = next((path for path in data.rglob(name) if path.is_file()), data / name)
    # The server is its own repair tool when it is called by the tool's name. It is given the one
    # broken file: by way of the manifest it takes Valkey's snapshots for broken ones.
    tool = server.name.replace("-server", "-check-aof")
    command = f"exec -a {tool} {shlex.quote(str(server))} --fix {shlex.quote(str(file))}"
    return (
        f"\nIts file is broken. Copy {data} to a safe place first; then cut the file off at the "
        f"first fault, which loses the events after it:\n  bash -c {shlex.quote(command)}"
    )
