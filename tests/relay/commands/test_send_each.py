"""``relay send`` for senders of each kind: what reaches the gateway is what they would send."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from multidict import CIMultiDict

from relay.contract.examples import example_types
from relay.delivery import Certificate, Delivery
from relay.identify import identify_each
from relay.verify import examine_head, verify
from tests.making import now
from tests.relay.commands.conftest import Relay
from tests.relay.providers.senders import CERTIFIED, sender_of, table_of, whose


@dataclass(slots=True)
class Recorder:
    """A server that takes everything and remembers it.

    Args:
        url: Where it is.
        requests: Path with query, headers and body of each request.
    """

    url: str
    requests: list[tuple[str, CIMultiDict[str], bytes]] = field(default_factory=list)

    def types(self, name: str) -> list[str]:
        """Verify what came as an endpoint of this kind would, and give the events' types."""
        endpoint = sender_of(name).endpoint
        own = endpoint.certificate
        types = []
        for path, headers, body in self.requests:
            delivery = Delivery(
                endpoint=endpoint,
                certificate=Certificate(own, own) if own else None,
                claim=examine_head(endpoint, headers),
                headers=headers,
                query=path.partition("?")[2],
                body=body,
                received_at_ms=now() * 1000,
            )
            types += [found.event.type for found in identify_each(verify(delivery))]
        return types


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Have one."""
    with _recording() as recorder:
        yield recorder


@contextmanager
def _recording() -> Iterator[Recorder]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.requests.append((self.path, CIMultiDict(self.headers.items()), body))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept = Recorder(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield kept
        server.shutdown()
        thread.join()


def configure(folder: Path, name: str) -> None:
    """Write a configuration with one endpoint of a kind, and the key of its sender."""
    (folder / "relay.toml").write_text(table_of(name, "mine", folder))
    (folder / "key.pem").write_bytes(sender_of(name).key or b"")


@pytest.mark.parametrize(
    ("name", "event_type"),
    [
        ("stripe", None),
        ("github", "push"),
        ("github", "watch"),
        ("slack", "command:/weather"),
        ("gitlab", "merge_request"),
        ("standard-webhooks", None),
        ("twilio", "message.received"),
        ("twilio", "com.twilio.messaging.message.delivered"),
        ("square", None),
        ("hubspot", "contact.creation"),
        ("sendgrid", "open"),
        ("discord", None),
        *[(name, event_type) for name in CERTIFIED for event_type in example_types(name)],
    ],
)
def test_what_is_sent_is_verified(
    relay: Relay, recorder: Recorder, tmp_path: Path, name: str, event_type: str | None
) -> None:
    """Body, headers and query are those of the sender, with its signature."""
    configure(tmp_path, name)
    key = ("--private-key", "key.pem") if sender_of(name).key else ()
    wanted = ("--type", event_type) if event_type else ()

    done = relay("send", "mine", "--url", recorder.url, *wanted, *key)

    assert done.exit_code == 0, done.output
    (found,) = recorder.types(name)
    assert found == (event_type or found) != "unidentified"


def test_each_is_another_event(relay: Relay, recorder: Recorder, tmp_path: Path) -> None:
    """Also where the id stands in a header."""
    configure(tmp_path, "github")

    relay("send", "mine", "--url", recorder.url, "--count", "3")

    ids = {headers["x-github-delivery"] for _, headers, _ in recorder.requests}
    assert len(ids) == 3


def test_a_signed_id_is_new_without_an_example(
    relay: Relay, recorder: Recorder, tmp_path: Path
) -> None:
    """A sender that is described in the configuration has no example, but may sign an id."""
    (tmp_path / "relay.toml").write_text(
        '[endpoints.mine]\nprovider = "hmac"\nsecrets = [{ env = "MINE" }]\n'
        'signature = { header = "x-sig", signed = "{header.x-id}.{body}" }\n'
        'event = { id = "{header.x-id}", type = "{body.type}" }\n'
    )

    relay("send", "mine", "--url", recorder.url, "--count", "2", MINE="a secret")

    ids = {headers["x-id"] for _, headers, _ in recorder.requests}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("github", ["--type", "nope"], "known: issues, push, watch"),
        ("discord", [], "--private-key FILE"),
        ("discord", ["--private-key", "nowhere.pem"], "nowhere.pem cannot be read"),
        ("discord", ["--private-key", "relay.toml"], "the private key is not PEM"),
        ("stripe", ["--private-key", "key.pem"], "not with a private key"),
    ],
)
def test_mistakes(
    relay: Relay,
    recorder: Recorder,
    tmp_path: Path,
    name: str,
    arguments: list[str],
    words: str,
) -> None:
    """Each is told before anything is sent."""
    configure(tmp_path, name)

    done = relay("send", "mine", "--url", recorder.url, *arguments)

    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())
    assert recorder.requests == []


@pytest.mark.parametrize("name", CERTIFIED)
def test_what_only_its_sender_can_sign_is_told(
    relay: Relay, recorder: Recorder, tmp_path: Path, name: str
) -> None:
    """An endpoint takes the sender's certificate only, unless it has another."""
    configure(tmp_path, name)
    (tmp_path / "relay.toml").write_text(f'[endpoints.mine]\nprovider = "{name}"\n{whose(name)}\n')

    done = relay("send", "mine", "--url", recorder.url, "--private-key", "key.pem")

    assert done.exit_code == 2
    assert "certificate of its own" in done.stderr
    assert recorder.requests == []
