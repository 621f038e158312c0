"""Starts a program that shares our fate: out of reach of Ctrl-C, and gone when we are gone."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

# Runs in the child before the program, which then takes its place under the same process id.
# Not by preexec_fn: Python code between fork and exec can hang where other threads hold locks.
# 1 is PR_SET_PDEATHSIG, 15 is SIGTERM. A parent that is gone already would never be noticed.
_DIES_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


async def start_child(
    command: Sequence[str | Path],
    *,
    environ: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    output: IO[bytes] | None = None,
    inherit: Sequence[int] = (),
) -> Process:
    """Start a program in a session of its own.

    Ctrl-C in the terminal does not reach it: we end it in our order. On Linux it gets SIGTERM
    when this process dies, however that happens.

    Args:
        command: Path of the program, and arguments; never a secret.
        environ: Its environment; ours by default.
        stdin: What it reads, to the end; nothing by default.
        output: Where its output goes; where ours does by default.
        inherit: Further descriptors that stay open in it.

    Raises:
        OSError: It cannot be started.

    Source: prctl(2), PR_SET_PDEATHSIG: kept across exec, and forgotten across fork.
    """
    process = await asyncio.create_subprocess_exec(
        *_tied_to_us(),
        *command,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=output,
        stderr=output,
        pass_fds=tuple(inherit),
        start_new_session=True,
    )
    if process.stdin is not None:
        process.stdin.write(stdin or b"")
        process.stdin.close()
    return process


def module_command(module: str, *arguments: str) -> list[str]:
    """Give the command that runs a module in a Python like this one.

    It looks for modules in the directory that it is started in only if we do so too: a file that
    lies about there must not take a module's place.
    """
    searched = [] if {"", str(Path.cwd())} & set(sys.path) else ["-P"]
    return [sys.executable, *searched, "-m", module, *arguments]


def _tied_to_us() -> list[str]:
    if sys.platform != "linux":
        return []
    # Without site packages and the user's settings it is there in a few milliseconds.
    return [sys.executable, "-I", "-S", "-c", _DIES_WITH_PARENT, str(os.getpid())]
