"""What the README and the tutorial tell a newcomer to type does what they say."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_dev import Dev, dev, wait_for_words
from tests.servers import find_binary

ROOT = Path(__file__).parent.parent.parent

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (find_binary("valkey") or find_binary("redis")), reason="there is no server to embed"
    ),
    pytest.mark.skipif(
        not (shutil.which("openssl") and shutil.which("curl")),
        reason="signs with openssl and sends with curl",
    ),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """What the quick start and the tutorial tell to start first."""
    with dev(tmp_path_factory.mktemp("newcomer")) as running:
        yield running


def shell_blocks(page: str) -> list[str]:
    """Give the shell snippets of a page, in order."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)


def python_blocks(page: str) -> list[str]:
    """Give the Python snippets of a page, in order."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)


def test_the_quick_start_brings_an_event_to_the_worker(program: Dev) -> None:
    """The README's own lines: signed, sent, seen at the worker; the second time a duplicate."""
    lines = next(block for block in shell_blocks("README.md") if "openssl" in block)
    snippet = lines.replace(":8080/", f":{program.port}/")
    first = _run(snippet, program.log.parent)
    wait_for_words(program, "message.new  evt_1 ")
    again = _run(snippet, program.log.parent)

    assert "200 OK" in first
    assert '{"received":true}' in first
    assert "200 OK" in again
    assert '"duplicate":true' in again
    assert program.output().count("message.new  evt_1 ") == 1


def test_the_tutorial_ends_with_a_dead_letter(program: Dev) -> None:
    """Its handler takes what is stored, fails on the refused event, and the event can be shown."""
    directory = program.log.parent
    snippets = shell_blocks("docs/tutorial.md")
    (directory / "handlers.py").write_text(python_blocks("docs/tutorial.md")[0])
    (directory / ".venv").mkdir()
    (directory / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    assert snippets[0] == "make dev\n"
    _run(snippets[1].strip() + f" --url http://127.0.0.1:{program.port}", directory)
    tables = _run(snippets[2], directory)
    _run(snippets[4].replace(":8080/", f":{program.port}/"), directory)
    shown = _until_set_aside(snippets[3], snippets[5], directory)

    assert "message.new" in tables
    assert "print-events" in tables
    assert "attempts_spent" in shown
    assert "this one cannot be handled" in shown
    assert "please refuse" in shown


def _until_set_aside(worker: str, look: str, directory: Path) -> str:
    """Run the tutorial's worker until it has set the event aside, and then look."""
    with subprocess.Popen(
        ["bash", "-ec", f"exec {worker.strip()}"],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if b"event_dead_lettered" in line:
                    break
        finally:
            process.terminate()
    assert b"attempt 1 of" in b"".join(said)
    return _run(look, directory)


def _run(snippet: str, directory: Path) -> str:
    done = subprocess.run(
        ["bash", "-ec", snippet],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
