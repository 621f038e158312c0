"""What the tutorial of Unipile tells to type does what it says, and `relay dev` reloads."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.test_dev import Dev, dev, wait_for_words
from tests.e2e.test_readme import python_blocks, shell_blocks
from tests.programs import end, start
from tests.servers import find_binary, free_port, wait_until_sync

PAGE = "docs/tutorial-unipile.md"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (find_binary("valkey") or find_binary("redis")), reason="there is no server to embed"
    ),
    pytest.mark.skipif(not shutil.which("curl"), reason="sends with curl"),
]


@contextmanager
def stand_in(directory: Path, port: int) -> Iterator[None]:
    """Have the stand-in as the page starts it, until Ctrl-C ends it."""
    program = start(
        ["-m", "relay", "unipile", "stand-in", "--port", str(port)], directory, "unipile"
    )
    try:
        wait_until_sync(
            lambda: "UNIPILE_API_KEY=" in program.output(),
            deadline_seconds=60,
            description=f"the stand-in is up; it said {program.output()}",
        )
        assert "UNIPILE_API_KEY=stand-in\n" in program.output()
        yield
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(60) == 0
        assert "Traceback" not in program.output()
    finally:
        end(program)


def run(snippet: str, program: Dev, port: int) -> str:
    """Type what stands on the page, in the third terminal, and give what it says."""
    code, said = typed(snippet, program, port)
    assert code == 0, f"{snippet}\n{said}"
    return said


def typed(snippet: str, program: Dev, port: int) -> tuple[int, str]:
    """Type it, and give the exit code too."""
    text = snippet.replace(":8080", f":{program.port}").replace(":8090", f":{port}")
    variables = f"export UNIPILE_API_URL=http://127.0.0.1:{port} UNIPILE_API_KEY=stand-in\n"
    done = subprocess.run(
        ["bash", "-ec", variables + text],
        cwd=program.log.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_every_step_of_the_page_works(tmp_path: Path) -> None:
    """From a handler to a rotated secret, with the stand-in in the place of Unipile.

    After that a file that cannot be used is refused, and changes nothing.
    """
    (tmp_path / "handlers.py").write_text(python_blocks(PAGE)[0])
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    blocks = shell_blocks(PAGE)
    assert blocks[0] == "make dev ARGS='--worker handlers:worker'\n"
    assert blocks[1] == ".venv/bin/relay unipile stand-in\n"
    port = free_port()
    with dev(tmp_path, "--worker", "handlers:worker") as program, stand_in(tmp_path, port):
        said = [run(block, program, port) for block in blocks[2:-1]]
        wait_for_words(program, " received ", count=2)
        # What has proved how much is written down every few seconds.
        wait_until_sync(
            lambda: typed(blocks[-1], program, port)[0] == 0,
            deadline_seconds=60,
            description="the old endpoint is deleted",
        )
        left = run(blocks[3], program, port)
        with (tmp_path / "relay.toml").open("a") as file:
            file.write('[endpoints.other]\nprovider = "nobody"\n')
        refused_whole = typed(".venv/bin/relay reload", program, port)
        run(blocks[4], program, port)
        wait_for_words(program, " received ", count=3)
        ended = program.stop()

    connected, listed, _, streams, status, refused, rows, compared, _, rotated = said
    assert "a new endpoint" in connected
    assert "we_" in listed
    assert 'provider = "unipile"' in listed
    assert {"message.new", "email.new", "made.up"} <= set(streams.split())
    assert "3" in status
    assert "signature_missing" in refused
    assert "signature_missing" in rows
    assert "3 attempts of 3 events" in compared
    assert "lost: 0, refused: 0" in compared
    assert "each event comes twice" in rotated
    assert (listed.count("we_"), left.count("we_")) == (1, 1)
    assert refused_whole[0] == 1
    assert "has refused the configuration whole" in refused_whole[1]
    assert ended == 0
