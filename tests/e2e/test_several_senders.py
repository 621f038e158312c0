"""One gateway for several senders: `relay send` for each of them, and one worker for all."""

import base64
import hashlib
import hmac
import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.conftest import StartServer
from tests.programs import GatewayProgram, gateway, worker
from tests.servers import NAMES, Server, wait_until_sync
from tests.signing import SECRET

pytestmark = pytest.mark.e2e

TWILIO_URL = "https://hooks.example.com/in/twilio"
TOML = f"""
[endpoints.stripe]
provider = "stripe"
secrets = [{{ file = "stripe.secret" }}]

[endpoints.code]
provider = "github"
secrets = [{{ file = "code.secret" }}]
replay = "strict"

[endpoints.contacts]
provider = "standard-webhooks"
secrets = [{{ file = "contacts.secret" }}]

[endpoints.twilio]
provider = "twilio"
secrets = [{{ file = "twilio.secret" }}]
public_url = "{TWILIO_URL}"
"""
SECRETS = {
    "stripe": "whsec_stripe_secret_for_this_test",
    "code": SECRET,
    "contacts": f"whsec_{base64.b64encode(b'a secret of 32 bytes for tests!!').decode()}",
    "twilio": "0123456789abcdef0123456789abcdef",
}
# The first types that `relay send` has an example of.
TYPES = {
    "stripe": "invoice.paid",
    "code": "issues",
    "contacts": "contact.created",
    "twilio": "call.completed",
}
HANDLERS = """
from consumers import Event, Worker

worker = Worker(group="keeper")


@worker.on("*:*")
async def keep(event: Event) -> None:
    with open("handled.txt", "a") as file:
        print(event.source, event.type, event.id, file=file)
"""
MESSAGE = {"MessageSid": "SM0123456789abcdef", "MessageStatus": "delivered", "To": "+49 30 5550"}


# The server is not what this is about.
@pytest.fixture
def server(start_server: StartServer) -> Server:
    """A server of the test's own."""
    return start_server(NAMES[0], "everysec")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with the configuration, and with a module of handlers."""
    (tmp_path / "relay.toml").write_text(TOML, "utf-8")
    for endpoint, secret in SECRETS.items():
        (tmp_path / f"{endpoint}.secret").write_text(secret, "utf-8")
    (tmp_path / "handlers.py").write_text(HANDLERS, "utf-8")
    return tmp_path


def begin_sending(
    endpoint: str, program: GatewayProgram, directory: Path
) -> "subprocess.Popen[bytes]":
    """Start `relay send` for an endpoint; two events, each with an id of its own."""
    words = ["send", endpoint, "--count=2", "--json", f"--url=http://127.0.0.1:{program.port}"]
    return subprocess.Popen(
        [sys.executable, "-m", "relay", *words],
        cwd=directory,
        stdout=subprocess.PIPE,
    )


def said_by(command: "subprocess.Popen[bytes]") -> Any:
    """Give the JSON that a command printed before it ended well."""
    printed, _ = command.communicate(timeout=60)
    assert command.returncode == 0, printed
    return json.loads(printed)


def post_form(program: GatewayProgram, host: str, signed_url: str) -> int:
    """Send a message's form as Twilio does, signed for a URL, through a host of another name."""
    text = signed_url + "".join(f"{name}{MESSAGE[name]}" for name in sorted(MESSAGE))
    digest = hmac.new(SECRETS["twilio"].encode(), text.encode(), hashlib.sha1).digest()
    headers = {
        "host": host,
        "x-forwarded-host": host,
        "x-twilio-signature": base64.b64encode(digest).decode(),
        "content-type": "application/x-www-form-urlencoded",
    }
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=10)
    try:
        connection.request("POST", "/webhooks/twilio", urlencode(MESSAGE), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def handled(directory: Path) -> list[list[str]]:
    """Give source, type and id of what was handled."""
    file = directory / "handled.txt"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def test_each_sender_has_its_own_streams_and_one_worker_handles_all(
    server: Server, directory: Path
) -> None:
    """What is sent to an endpoint is stored under its own types, and comes to the handler once."""
    with (
        gateway(directory, server.url) as program,
        worker(directory, server.url, "handlers:worker"),
    ):
        commands = {name: begin_sending(name, program, directory) for name in TYPES}
        reports = {name: said_by(command) for name, command in commands.items()}
        wait_until_sync(lambda: len(handled(directory)) >= 8, description="all are handled")
    sent = {
        (f"/webhooks/{name}", TYPES[name], event["event_id"])
        for name, report in reports.items()
        for event in report["events"]
    }
    stored = {
        (fields[b"source"].decode(), fields[b"type"].decode(), fields[b"id"].decode())
        for name, event_type in TYPES.items()
        for _, fields in server.entries(f"relay:{{{name}}}:{event_type}")
    }

    assert [report["statuses"] for report in reports.values()] == [{"200": 2}] * 4
    assert len(sent) == 8
    assert stored == sent
    assert sorted(map(tuple, handled(directory))) == sorted(sent)


def test_a_signed_url_is_that_of_the_configuration_whatever_host_a_request_names(
    server: Server, directory: Path
) -> None:
    """Behind a proxy that names the gateway otherwise it fits; signed for that name it does not."""
    inside = "relay.internal:8080"
    with gateway(directory, server.url) as program:
        as_configured = post_form(program, inside, TWILIO_URL)
        as_requested = [
            post_form(program, inside, f"{scheme}://{inside}/webhooks/twilio")
            for scheme in ("http", "https")
        ]
    entries = server.entries("relay:{twilio}:message.delivered")

    assert as_configured == 200
    assert as_requested == [401, 401]
    assert [fields[b"id"] for _, fields in entries] == [b"SM0123456789abcdef:delivered"]
