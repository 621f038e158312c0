"""``relay send``: signed example events, and what it says of the answers."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from relay.contract.examples import example, example_types
from relay.contract.keys import is_event_type
from tests.programs import gateway
from tests.relay.commands.conftest import Relay
from tests.servers import NAMES, Server, free_port, wait_until_sync
from tests.signing import SECRET

V2_TYPES = {
    "account.add",
    "account.initial_sync.completed",
    "account.initial_sync.failed",
    "account.initial_sync.running",
    "account.locked",
    "account.reconnect",
    "account.remove",
    "account.status.degraded",
    "account.status.disconnected",
    "account.status.errored",
    "account.status.partial",
    "account.status.paused",
    "account.status.running",
    "account.unlocked",
    "calendar.create",
    "calendar.delete",
    "calendar.event.delete",
    "calendar.event.new",
    "calendar.event.update",
    "calendar.update",
    "chat.delete",
    "chat.update",
    "email.delete",
    "email.draft.delete",
    "email.draft.new",
    "email.folder.create",
    "email.folder.delete",
    "email.folder.update",
    "email.new",
    "email.new.bounce",
    "follower.new",
    "message.delete",
    "message.new",
    "message.reaction.delete",
    "message.reaction.new",
    "message.receipt.delivery",
    "message.receipt.read",
    "message.update",
    "relation.new",
    "relation.request.accept",
    "tracking.click",
    "tracking.open",
}


# Of the server nothing is asked but what is in a stream.
on_one_server = pytest.mark.parametrize("server", NAMES[:1], indirect=True)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Have a server that answers every POST in the same way."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.redis
@on_one_server
def test_events_are_stored(relay: Relay, server: Server, tmp_path: Path) -> None:
    """Every one gets an entry of its own, and the ids are told."""
    with gateway(tmp_path, server.url) as program:
        done = relay(
            *("send", "unipile", "--type", "email.new", "--count", "30", "--json"),
            *("--url", f"http://127.0.0.1:{program.port}/"),
            UNIPILE_WEBHOOK_SECRET=SECRET,
        )

    said = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (said["sent"], said["statuses"]) == (30, {"200": 30})
    with server.client() as client:
        entries: Any = client.xrange("relay:{unipile}:email.new")
    stored = {(entry_id.decode(), fields[b"id"].decode()) for entry_id, fields in entries}
    assert {(event["entry_id"], event["event_id"]) for event in said["events"]} == stored
    assert len(stored) == 30


@pytest.mark.redis
@on_one_server
@pytest.mark.parametrize("event_type", ["brand.new/type", "two words"])
def test_any_type_will_do(relay: Relay, server: Server, tmp_path: Path, event_type: str) -> None:
    """A type without an example is sent all the same; one that names no stream is told."""
    with gateway(tmp_path, server.url) as program:
        done = relay(
            *("send", "unipile", "--type", event_type),
            *("--url", f"http://127.0.0.1:{program.port}"),
            UNIPILE_WEBHOOK_SECRET=SECRET,
        )

    assert done.exit_code == 0
    assert ("unidentified" in done.stderr) is not is_event_type(event_type)
    with server.client() as client:
        stream = event_type if is_event_type(event_type) else "unidentified"
        assert client.xlen(f"relay:{{unipile}}:{stream}") == 1


@pytest.mark.redis
@on_one_server
def test_a_wrong_secret_is_explained(relay: Relay, server: Server, tmp_path: Path) -> None:
    """The reason is told, and where the secret came from, but not the secret."""
    with gateway(tmp_path, server.url) as program:
        done = relay(
            *("send", "unipile", "--url", f"http://127.0.0.1:{program.port}"),
            UNIPILE_WEBHOOK_SECRET="another-secret",
        )
        [hint] = re.findall("`relay (rejections explain .*)` says why", done.stderr)
        told = {"REDIS_URL": server.url, "UNIPILE_WEBHOOK_SECRET": SECRET}
        wait_until_sync(
            lambda: relay(*hint.split(), **told).stdout.startswith("No secret of the endpoint"),
            description="the refusal is in the log, and explained",
        )

    assert done.exit_code == 1
    assert "401: signature_mismatch" in done.stderr
    assert "env:UNIPILE_WEBHOOK_SECRET" in done.stderr
    assert "another-secret" not in done.output


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (503, b'{"reason":"store_full"}', "503: store_full"),
        (500, b"<html>\x1b[2J</html>", "500: no reason"),
        (404, b'{"reason":"\x1b"}', "404"),
        (302, b"", "302"),
    ],
)
def test_a_refusal_is_a_failure(relay: Relay, status: int, body: bytes, words: str) -> None:
    """Whatever answers, the command says what and ends with 1; it follows nobody elsewhere."""
    with answering(status, body) as url:
        done = relay("send", "unipile", "--url", url, UNIPILE_WEBHOOK_SECRET=SECRET)

    assert done.exit_code == 1
    assert words in done.stderr
    assert "\x1b" not in done.output


ROTATED = """
[endpoints.unipile]
provider = "unipile"
secrets = [
    {{ env = "COMING", not_before = 2999-01-01T00:00:00Z }},
    {{ env = "HERE"{end} }},
]
"""


def test_the_secret_that_signs_is_the_one_that_is_named(relay: Relay, tmp_path: Path) -> None:
    """The newest may not count yet."""
    (tmp_path / "relay.toml").write_text(ROTATED.format(end=""))
    with answering(401, b'{"reason":"signature_mismatch"}') as url:
        done = relay("send", "unipile", "--url", url, COMING="one", HERE="another")

    assert "took its own from env:HERE" in done.stderr


def test_without_a_secret_that_counts_nothing_is_sent(relay: Relay, tmp_path: Path) -> None:
    """And it is not said that there is none."""
    end = ", not_after = 2001-01-01T00:00:00Z"
    (tmp_path / "relay.toml").write_text(ROTATED.format(end=end))
    done = relay("send", "unipile", "--url", "http://127.0.0.1:1", COMING="one", HERE="another")

    assert done.exit_code == 2
    assert "no secret that counts now" in done.stderr


def test_only_the_first_rows_are_shown(relay: Relay) -> None:
    """A thousand events do not fill the terminal."""
    with answering(200, b'{"received":true,"duplicate":true}') as url:
        done = relay(
            *("send", "unipile", "--url", url, "--count", "50"), UNIPILE_WEBHOOK_SECRET=SECRET
        )

    assert done.exit_code == 0
    assert done.stdout.count("duplicate") == 20
    assert done.stdout.splitlines()[-2:] == ["… and 30 more", "50 × 200"]


@pytest.mark.parametrize(
    ("arguments", "variables", "exit_code", "words"),
    [
        (["nope"], {"UNIPILE_WEBHOOK_SECRET": SECRET}, 2, "configured: unipile"),
        (["unipile"], {}, 2, "UNIPILE_WEBHOOK_SECRET"),
        (["unipile", "--url", "ftp://x"], {"UNIPILE_WEBHOOK_SECRET": SECRET}, 2, "http://"),
        (["unipile", "--url", "http://:::"], {"UNIPILE_WEBHOOK_SECRET": SECRET}, 2, "not a URL"),
    ],
)
def test_mistakes(
    relay: Relay, arguments: list[str], variables: dict[str, str], exit_code: int, words: str
) -> None:
    """Each is told apart."""
    done = relay("send", *arguments, **variables)

    assert done.exit_code == exit_code
    assert words in done.stderr


def test_nobody_listens(relay: Relay) -> None:
    """The message says how to start a gateway; a password in the URL is not repeated."""
    url = f"http://me:geheim@127.0.0.1:{free_port()}"

    done = relay("send", "unipile", "--url", url, UNIPILE_WEBHOOK_SECRET=SECRET)

    assert done.exit_code == 1
    assert "relay serve" in done.stderr
    assert "geheim" not in done.output


def test_the_configured_port_is_the_default(relay: Relay) -> None:
    """Who configured another port need not repeat it."""
    port = str(free_port())

    done = relay("send", "unipile", RELAY_PORT=port, UNIPILE_WEBHOOK_SECRET=SECRET)

    assert f"127.0.0.1:{port}" in done.stderr


def test_there_is_an_example_of_each_known_shape() -> None:
    """One for every type whose payload is known."""
    assert set(example_types("unipile")) == V2_TYPES


@pytest.mark.parametrize("event_type", [*sorted(V2_TYPES), "some.thing", "../unipile", "$id"])
def test_examples_are_fresh_events(event_type: str) -> None:
    """Each has the keys that the gateway looks for, and an id of its own."""
    one, other = (json.loads(example("unipile", event_type)) for _ in range(2))

    assert one["id"] != other["id"]
    assert one["type"] == event_type
    assert one["account_id"].startswith("acc_")
    assert one["created_at"].endswith("Z")
    assert "$" not in json.dumps({**one, "type": ""})
