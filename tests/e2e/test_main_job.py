"""From a foreign sender to a worker: signed by openssl, sent by curl, byte for byte."""

import base64
import gzip
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from relay.contract.examples import example, example_types
from tests.conftest import StartServer
from tests.programs import GatewayProgram, gateway, worker
from tests.servers import NAMES, wait_until_sync
from tests.signing import SECRET

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("openssl") and shutil.which("curl")),
        reason="signs with openssl and sends with curl",
    ),
]

HANDLERS = """
import base64
from consumers import Event, Worker

worker = Worker(group="keeper")


@worker.on("unipile:*")
async def keep(event: Event) -> None:
    with open("handled.txt", "a") as file:
        print(event.type, base64.b64encode(event.data).decode(), file=file)
"""


# What the servers may do to bytes is tested without programs.
@pytest.mark.parametrize("name", NAMES[:1])
def test_every_example_arrives_byte_for_byte(
    name: str, start_server: StartServer, tmp_path: Path
) -> None:
    """Examples of every kind of event, and one packed with gzip, reach the handler as sent."""
    server = start_server(name, "always")
    bodies = [(kind, example("unipile", kind), "") for kind in example_types("unipile")[::3]]
    bodies.append(("email.new", gzip.compress(example("unipile", "email.new")), "gzip"))
    (tmp_path / "handlers.py").write_text(HANDLERS)
    with (
        gateway(tmp_path, server.url) as program,
        worker(tmp_path, server.url, "handlers:worker"),
    ):
        answers = [send(program, tmp_path, body, encoding) for _, body, encoding in bodies]
        expected = sorted((kind, body) for kind, body, _ in bodies)
        wait_until_sync(
            lambda: len(_handled(tmp_path)) >= len(expected),
            deadline_seconds=60,
            description="everything is handled",
        )

    assert {answer.splitlines()[0].strip() for answer in answers} == {"HTTP/1.1 200 OK"}
    assert sorted(_handled(tmp_path)) == expected


def test_the_same_delivery_at_two_gateways_has_one_entry(
    start_server: StartServer, tmp_path: Path
) -> None:
    """Two processes take it at once: both answer 200, and name the same entry."""
    server = start_server("valkey", "always")
    body = example("unipile", "message.new")
    with (
        gateway(tmp_path, server.url, name="one") as one,
        gateway(tmp_path, server.url, name="two") as two,
    ):
        commands = [curl(program, tmp_path, body, "") for program in (one, two) * 10]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
        answers = [process.communicate(timeout=30)[0].decode() for process in running]

    entries = server.entries("relay:{unipile}:message.new")
    named = {
        line.split()[1] for answer in answers for line in answer.splitlines() if "entry-id" in line
    }
    assert [answer.count("200 OK") for answer in answers] == [1] * 20
    assert named == {entry_id for entry_id, _ in entries}
    assert len(entries) == 1
    assert sum('"duplicate":true' in answer for answer in answers) == 19


def send(program: GatewayProgram, directory: Path, body: bytes, encoding: str) -> str:
    """Send one delivery, and give the whole answer."""
    done = subprocess.run(
        curl(program, directory, body, encoding), capture_output=True, timeout=30, check=True
    )
    return done.stdout.decode()


def curl(program: GatewayProgram, directory: Path, body: bytes, encoding: str) -> list[str]:
    """Give the command that sends a body, signed by openssl."""
    at = str(int(time.time()))
    signed = directory / "signed.bin"
    signed.write_bytes(at.encode() + b"." + body)
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET, "-hex", str(signed)],
        capture_output=True,
        check=True,
    )
    signature = made.stdout.decode().split()[-1]
    sent = directory / f"body-{signature[:16]}.bin"
    sent.write_bytes(body)
    headers = [f"unipile-signature: t={at},v0={signature}", "content-type: application/json"]
    headers += [f"content-encoding: {encoding}"] if encoding else []
    options = [word for header in headers for word in ("-H", header)]
    return ["curl", "-si", program.url, *options, "--data-binary", f"@{sent}"]


def _handled(directory: Path) -> list[tuple[str, bytes]]:
    file = directory / "handled.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = (line.split() for line in lines)
    return [(pair[0], base64.b64decode(pair[1])) for pair in pairs if len(pair) == 2]
