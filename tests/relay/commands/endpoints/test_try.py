"""``relay endpoints test``: what a running gateway is asked, and what its answers mean."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from relay.commands.edit import add_endpoint, read_draft, write_draft
from relay.commands.endpoints.following import registered_url
from relay.commands.endpoints.probe import probes
from relay.contract.errors import SignatureRefused
from relay.providers import PROVIDERS
from relay.proving.sender import PUBLIC_URL, TOPIC, WEBHOOK_ID, Sent, make_sender, receive
from relay.verify import verify
from tests.making import make_endpoint
from tests.programs import GatewayProgram, gateway
from tests.relay.commands.conftest import Relay
from tests.servers import free_port

SECRET, OTHER = "1" * 32, "2" * 32
UNIPILE = 'provider = "unipile"\nsecrets = [{ env = "HOOK" }]\n'
# Of these no time is signed, and no handshake made with the secret.
SIGNED_TIME = {"unipile", "stripe", "slack", "svix", "mailgun", "zendesk", "discord", "x"}


@dataclass
class Fake:
    """Something that answers in the place of a gateway.

    Args:
        url: Where.
        asked: Method and path of each request.
    """

    url: str
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[Fake]:
    """Have a server that answers every request in the same way."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            fake.asked.append((self.command, self.path))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_HEAD = do_OPTIONS = _answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake = Fake(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


def refusing(reason: str) -> bytes:
    """Give the body of a refusal."""
    return json.dumps({"reason": reason}).encode()


@dataclass
class Running:
    """A gateway with an endpoint of every preset, and the variables that it has.

    Args:
        program: The gateway, whose store is away: what is refused needs none.
        directory: Where its file is.
        variables: Its secrets.
    """

    program: GatewayProgram
    directory: Path
    variables: dict[str, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Have one gateway for all tests of this module."""
    directory = tmp_path_factory.mktemp("every-preset")
    draft, variables = read_draft({}, directory), {"SHOWN_TOKEN": "shown-token"}
    for name, provider in PROVIDERS.items():
        secrets = make_sender(provider, SECRET.encode(), int(time.time())).endpoint.secrets
        variable = f"SECRET_OF_{name.upper().replace('-', '_')}"
        for secret in secrets:
            variables[variable] = secret.reveal().decode()
        needed: dict[str, object] = {
            "secrets": [{"env": variable}] if secrets else [],
            "public_url": PUBLIC_URL if provider.needs_url else None,
            "topic_arns": [TOPIC] if provider.scheme.family == "sns" else None,
            "webhook_id": WEBHOOK_ID if provider.scheme.family == "paypal" else None,
            "verify_token": {"env": "SHOWN_TOKEN"} if provider.takes_token else None,
            "origins": ["eventgrid.azure.net"] if provider.takes_origin else None,
        }
        table = {key: value for key, value in needed.items() if value is not None}
        draft = add_endpoint(draft, name, {"provider": name, **table})
    write_draft(draft, {})
    away = f"redis://127.0.0.1:{free_port()}"
    with gateway(directory, away, port=free_port(), name="every", **variables) as program:
        yield Running(program, directory, variables)


@pytest.fixture
def beside(running: Running, monkeypatch: pytest.MonkeyPatch) -> str:
    """Be where the gateway's file is; gives where it listens."""
    monkeypatch.setenv("RELAY_CONFIG", str(running.directory / "relay.toml"))
    return f"http://127.0.0.1:{running.program.port}"


@pytest.mark.e2e
@pytest.mark.parametrize("name", PROVIDERS)
def test_an_endpoint_of_every_preset_answers_as_expected(
    relay: Relay, running: Running, beside: str, name: str
) -> None:
    """Unsigned, with another secret, too old, and as its sender tries it."""
    done = relay("endpoints", "test", name, "--url", beside, "--json", **running.variables)
    said = json.loads(done.stdout)
    steps = {step["step"] for step in said["steps"]}

    assert [step for step in said["steps"] if not step["ok"]] == []
    assert done.exit_code == 0
    assert "unsigned" in steps
    assert "other_secret" in steps or name in {"aws-sns", "paypal"}
    assert bool(said["notes"]) is not any(step["proves"] for step in said["steps"])


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("name", "proved"),
    [("unipile", "too_old"), ("stripe", "too_old"), ("mailgun", "too_old"), ("x", "handshake")],
)
def test_a_gateway_proves_its_secret_without_storing_anything(
    relay: Relay, running: Running, beside: str, name: str, proved: str
) -> None:
    """By refusing for age alone, or by the answer to a handshake; another secret is told."""
    variable = f"SECRET_OF_{name.upper()}"
    right = relay("endpoints", "test", name, "--url", beside, "--json", **running.variables)
    other = {**running.variables, variable: OTHER}
    if name == "unipile":
        other[variable] = "of another"
    wrong = relay("endpoints", "test", name, "--url", beside, "--json", **other)
    steps: list[Any] = json.loads(right.stdout)["steps"]
    failed = [step for step in json.loads(wrong.stdout)["steps"] if not step["ok"]]

    assert [step["step"] for step in steps if step["proves"] == f"env:{variable}"] == [proved]
    assert (wrong.exit_code, [step["step"] for step in failed]) == (1, [proved])
    assert variable in failed[0]["advice"] or proved == "handshake"


@pytest.mark.e2e
def test_a_secret_that_is_not_here_is_said_not_to_be_tried(
    relay: Relay, running: Running, beside: str
) -> None:
    """The rest is, and nothing of it is a failure."""
    done = relay("endpoints", "test", "unipile", "--url", beside)

    assert done.exit_code == 0
    assert "another secret" in done.stdout
    assert "env:SECRET_OF_UNIPILE is not there for this command" in done.stderr


@pytest.mark.e2e
def test_an_endpoint_that_the_gateway_has_not_is_told(
    relay: Relay, running: Running, tmp_path: Path
) -> None:
    """It is asked once, and no more."""
    (tmp_path / "relay.toml").write_text(f"[endpoints.new]\n{UNIPILE}")
    url = f"http://127.0.0.1:{running.program.port}"
    done = relay("endpoints", "test", "new", "--url", url, HOOK="secret")

    assert done.exit_code == 1
    assert done.stdout.count("unknown_endpoint") == 1
    assert "relay reload" in done.stdout


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration with endpoints of three kinds."""
    path = tmp_path / "relay.toml"
    path.write_text(
        f"[endpoints.app]\n{UNIPILE}"
        '[endpoints.open]\nprovider = "none"\n'
        '[endpoints.hub]\nprovider = "github"\nsecrets = [{ env = "HUB" }]\n'
    )
    return path


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"{}", "anyone can write events here"),
        (301, b"", "senders follow none"),
        (404, b"<html>", "a proxy before it"),
        (401, refusing("signature_malformed"), "takes headers away"),
        (503, refusing("overloaded"), "takes nothing now"),
    ],
)
def test_another_answer_is_explained(
    relay: Relay, file: Path, status: int, body: bytes, said: str
) -> None:
    """What it means, and what to do."""
    with answering(status, body, location="https://elsewhere.example.com/") as fake:
        done = relay("endpoints", "test", "app", "--url", fake.url, HOOK="secret")

    assert done.exit_code == 1
    assert said in done.stdout
    assert "as expected" in done.stderr


@pytest.mark.parametrize("path", ["", "/", "/behind", "/any/path/app", "/any/path/app/"])
def test_the_url_is_that_of_the_gateway_or_of_the_endpoint(
    relay: Relay, file: Path, path: str
) -> None:
    """A proxy may give an endpoint any path that ends with its name."""
    with answering(404) as fake:
        relay("endpoints", "test", "app", "--url", f"{fake.url}{path}", HOOK="secret")
        relay("send", "app", "--url", f"{fake.url}{path}", HOOK="secret", HUB="secret")

    bare = path.rstrip("/")
    wanted = bare if bare.endswith("/app") else f"{bare}/webhooks/app"
    assert fake.asked == [("POST", wanted)] * 2


@pytest.mark.parametrize(
    ("url", "exit_code"),
    [("ftp://x", 2), ("127.0.0.1", 2), ("http://x?a=1", 2), ("http://127.0.0.1:1", 1)],
)
def test_a_gateway_that_is_not_there_is_told(
    relay: Relay, file: Path, url: str, exit_code: int
) -> None:
    """Or a URL that is none."""
    done = relay("endpoints", "test", "app", "--url", url, HOOK="secret")

    assert done.exit_code == exit_code
    assert "http://127.0.0.1" in done.stderr


def test_an_endpoint_that_takes_anything_is_asked_nothing(relay: Relay, file: Path) -> None:
    """Whatever is sent to it would be stored."""
    with answering(200, b"{}") as fake:
        done = relay("endpoints", "test", "open", "--url", fake.url)
        asked = list(fake.asked)
        sent = relay("endpoints", "test", "open", "--url", fake.url, "--send")

    assert (done.exit_code, asked) == (0, [])
    assert "With --send" in done.stderr
    assert (sent.exit_code, len(fake.asked)) == (0, 1)


def test_an_endpoint_in_dry_run_is_asked_nothing(relay: Relay, file: Path, tmp_path: Path) -> None:
    """What must be refused would be stored; an example is only where it is asked for."""
    (tmp_path / "relay.toml").write_text(f"[endpoints.app]\n{UNIPILE}dry_run = true\n")
    with answering(200, b"{}") as fake:
        done = relay("endpoints", "test", "app", "--url", fake.url, HOOK="secret")
        asked = list(fake.asked)
        sent = relay("endpoints", "test", "app", "--url", fake.url, "--send", HOOK="secret")

    assert (done.exit_code, asked) == (0, [])
    assert "dry run" in done.stderr
    assert (sent.exit_code, len(fake.asked)) == (0, 1)


@pytest.mark.e2e
def test_a_secret_that_does_not_count_now_is_not_tried(
    relay: Relay, running: Running, tmp_path: Path
) -> None:
    """The others are, also one that has not counted for long enough to have signed so long ago."""
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    (tmp_path / "relay.toml").write_text(
        '[endpoints.unipile]\nprovider = "unipile"\nsecrets = [\n'
        '{ env = "NEXT", not_before = 2999-01-01T00:00:00Z },\n'
        f'{{ env = "SECRET_OF_UNIPILE", not_before = {began} }},\n]\n'
    )
    url = f"http://127.0.0.1:{running.program.port}"
    variables = {**running.variables, "NEXT": "next"}
    done = relay("endpoints", "test", "unipile", "--url", url, "--json", **variables)
    said = json.loads(done.stdout)

    assert done.exit_code == 0
    assert said["notes"] == ["env:NEXT does not count now, so it was not tried."]
    assert [step["proves"] for step in said["steps"]] == ["", "", "env:SECRET_OF_UNIPILE"]


def test_what_is_sent_passes_nowhere_whatever_is_allowed_later() -> None:
    """It stands in the refusal log, signed: a longer tolerance must not make an event of it."""
    endpoint, now = make_endpoint(), int(time.time())
    (probe,) = [each for each in asyncio.run(probes(endpoint, now)) if each.secret]
    patient = replace(endpoint, tolerance_seconds=86_400, late_tolerance_seconds=2_678_400)
    sent = Sent(headers=probe.headers, body=probe.body, query=probe.query, at=now)

    with pytest.raises(SignatureRefused, match="timestamp_too_old"):
        verify(receive(patient, sent))


def test_nothing_is_sent_that_is_stored_unless_it_is_asked_for(relay: Relay, file: Path) -> None:
    """A sender without a signed time needs an event for a proof, and says so."""
    with answering(401, refusing("signature_missing")) as fake:
        done = relay("endpoints", "test", "hub", "--url", fake.url, "--send", HUB="secret")

    assert done.exit_code == 1
    assert len(fake.asked) == 2


def test_an_answer_does_nothing_to_a_terminal(relay: Relay, file: Path) -> None:
    """Escapes and marks of direction are written out, wherever they stand."""
    evil = "\x1b[2J\u202e[bold]x"
    location = f"/{evil[4:]}".encode().decode("latin-1")
    with answering(401, refusing(evil), location=location) as fake:
        refused = relay("endpoints", "test", "app", "--url", fake.url, HOOK="secret")
    with answering(302, refusing(evil), location=location) as fake:
        moved = relay("endpoints", "test", "app", "--url", fake.url, HOOK="secret")

    for done in (refused, moved):
        assert not {"\x1b", "\u202e"} & set(done.output)
    assert "\\x1b[2J\\u202e[bold]x" in refused.output


def test_the_url_to_register_is_safe_to_print() -> None:
    """The file says it, and whoever wrote that."""
    assert registered_url("app", "https://a/\x1b[2J") == "https://a/\\x1b[2J"
    assert registered_url("app", None).endswith("/webhooks/app")
