"""``relay conformance``: what it is told, what it says, and how it ends."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from relay.conformance import CHECKS
from tests.conformance.bad import FAULTS
from tests.conformance.receiver import SECOND, SECRET, Answered, Receiver, Request
from tests.relay.commands.conftest import Relay
from tests.servers import free_port

QUICK = ("--slow-seconds", "0.1", "--at-once", "5", "--max-body-bytes", str(128 * 1024))


class Keeps(Receiver):
    """Writes what it stores into a file, or as often as it comes."""

    def __init__(self, path: Path, times: int) -> None:
        super().__init__()
        self._path = path
        self._times = times

    async def take(self, request: Request) -> Answered:
        """Take one delivery, and say nothing of whether it is known."""
        stored = len(self.stored)
        answered = await super().take(request)
        if len(self.stored) > stored:
            with self._path.open("ab") as file:
                file.write((request.body + b"\n") * self._times)
        return Answered(answered.status, {})


@contextmanager
def listening(receiver: Receiver) -> Iterator[str]:
    """Have a receiver in a thread of its own, since a command has a loop of its own too."""
    begun, loop, ended = Event(), asyncio.new_event_loop(), asyncio.Event()

    async def listen() -> None:
        async with receiver.running():
            begun.set()
            await ended.wait()

    thread = Thread(target=lambda: loop.run_until_complete(listen()))
    thread.start()
    begun.wait()
    try:
        yield receiver.url
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def test_the_checks_are_listed_and_nothing_is_sent(relay: Relay) -> None:
    """Each with what must hold, and why."""
    done = relay("conformance", "--list", "--json")

    listed = json.loads(done.stdout)
    assert done.exit_code == 0
    assert [check["check"] for check in listed] == [check.name for check in CHECKS]
    assert all(check["holds"].endswith(".") and check["why"].endswith(".") for check in listed)


def test_a_right_receiver(relay: Relay) -> None:
    """Exit code 0; what cannot be seen is said, and what the ids begin with."""
    with listening(Receiver()) as url:
        done = relay("conformance", "--url", url, *QUICK, UNIPILE_WEBHOOK_SECRET=SECRET)

    assert done.exit_code == 0, done.output
    assert f"{len(CHECKS) - 2} passed, 2 not observable" in done.stdout
    assert "--second-secret-env" in done.stdout
    assert "ids begin with conformance-" in done.stderr
    assert SECRET not in done.output


@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
def test_a_bad_receiver(relay: Relay, *, as_json: bool) -> None:
    """Exit code 1; it is said what was sent, what was answered, what was expected, and why."""
    with listening(FAULTS["no-signature"]()) as url:
        done = relay(
            *("conformance", "--url", url, *QUICK, *(["--json"] if as_json else [])),
            *("--check", "no-signature", "--check", "plain"),
            UNIPILE_WEBHOOK_SECRET=SECRET,
        )

    assert done.exit_code == 1
    assert "Failed or not judged: no-signature" in done.stderr
    if as_json:
        said = json.loads(done.stdout)
        assert said["verdicts"] == {"passed": 1, "failed": 1}
        assert said["checks"][1]["findings"] == [
            {"sent": "a delivery without a signature", "answered": "200", "expected": "4xx"}
        ]
    else:
        assert "  sent      a delivery without a signature\n  answered  200\n" in done.stdout
        assert "Whoever knows the URL could make events." in done.stdout


def test_every_way_to_name_a_secret(relay: Relay, tmp_path: Path) -> None:
    """By option, variable, file, and by a `relay dev` of this directory."""
    (tmp_path / "file").write_text(f"{SECRET}\n")
    plain = ("--check", "plain", "--check", "second-secret")
    with listening(Receiver()) as url:
        by_option = relay("conformance", "--url", url, *plain, "--secret", SECRET)
        by_variable = relay("conformance", "--url", url, *plain, "--secret-env", "S", S=SECRET)
        by_file = relay(
            *("conformance", "--url", url, *plain, "--secret-file", "file"),
            *("--second-secret", SECOND),
        )
        (tmp_path / ".relay").mkdir()
        (tmp_path / ".relay" / "secret").write_text(SECRET)
        by_dev = relay("conformance", "--url", url, *plain)

    done = [by_option, by_variable, by_file, by_dev]
    assert [run.exit_code for run in done] == [0, 0, 0, 0]
    assert "2 passed" in by_file.stdout
    assert not any(SECRET in run.output for run in done)


@pytest.mark.parametrize(("times", "exit_code"), [(1, 0), (2, 1)])
def test_a_command_shows_what_is_stored(
    relay: Relay, tmp_path: Path, times: int, exit_code: int
) -> None:
    """A receiver that says nothing of repeats is judged by what it has stored."""
    file = tmp_path / "stored"
    file.touch()
    with listening(Keeps(file, times)) as url:
        done = relay(
            *("conformance", "--url", url, "--check", "duplicates-later"),
            *("--observe", f"cat '{file}'"),
            UNIPILE_WEBHOOK_SECRET=SECRET,
        )

    assert done.exit_code == exit_code, done.output
    assert ("stored 2 times" in done.stdout) is (times == 2)


def test_trouble_is_made_by_commands(relay: Relay, tmp_path: Path) -> None:
    """One that cannot be run leaves the check unjudged, which is no success."""
    with listening(Receiver()) as url:
        done = relay(
            *("conformance", "--url", url, "--check", "own-trouble"),
            *("--break", "no-such-program", "--mend", "true"),
            UNIPILE_WEBHOOK_SECRET=SECRET,
        )

    assert done.exit_code == 1
    assert "no-such-program cannot be run" in done.stdout


def test_nobody_listens(relay: Relay) -> None:
    """It is no verdict; a password in the URL is not repeated."""
    url = f"http://me:geheim@127.0.0.1:{free_port()}/hooks"

    done = relay("conformance", "--url", url, UNIPILE_WEBHOOK_SECRET=SECRET)

    assert done.exit_code == 1
    assert "cannot be reached" in done.stderr
    assert "geheim" not in done.output


@pytest.mark.parametrize("authority", ["me:geheim/1@h", "me:geheim\u2100@h", "[me:geheim@h"])
def test_a_url_that_cannot_be_read_is_not_repeated(relay: Relay, authority: str) -> None:
    """A password in it may be what is wrong with it."""
    done = relay("conformance", "--url", f"http://{authority}/hooks", "--secret", SECRET)

    assert done.exit_code == 2
    assert "--url cannot be used" in done.stderr
    assert "geheim" not in done.output


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "127.shop.example", "127.0.0.1.shop.example", "localhost.shop.example"]
)
def test_elsewhere_it_asks_first(relay: Relay, host: str) -> None:
    """Events are real to whoever handles them; without somebody to ask nothing is sent."""
    done = relay("conformance", "--url", f"http://{host}/hooks", UNIPILE_WEBHOOK_SECRET=SECRET)

    assert done.exit_code == 2
    assert "--yes" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--secret", "x"], "--url"),
        (["--url", "ftp://x", "--secret", "x"], "http://"),
        (["--url", "http://h:x/", "--secret", "x"], "--url cannot be used"),
        (["--url", "http://h/a b", "--secret", "x"], "request line"),
        (["--url", "http://h/"], "UNIPILE_WEBHOOK_SECRET"),
        (["--url", "http://h/", "--secret", ""], "is empty"),
        (["--url", "http://h/", "--secret", "x", "--secret-env", "X"], "Say one of"),
        (["--url", "http://h/", "--secret-env", "NONE"], "NONE is not set"),
        (["--url", "http://h/", "--secret-file", "none"], "cannot be read"),
        (["--url", "http://h/", "--secret", "x", "--provider", "nope"], "known: unipile"),
        (["--url", "http://h/", "--secret", "x", "--check", "nope"], "--list"),
        (["--url", "http://h/", "--secret", "x", "--break", "true"], "go together"),
        (["--url", "http://h/", "--secret", "x", "--observe", "'"], "quotes"),
        (
            ["--url", "http://h/", "--secret", "x", "--observe", "a", "--redis-url", "redis://h"],
            "not both",
        ),
        (["--url", "http://h/", "--secret", "x", "--at-once", "1001"], "--at-once"),
    ],
)
def test_mistakes(relay: Relay, arguments: list[str], words: str) -> None:
    """Each is told apart, before anything is sent."""
    done = relay("conformance", *arguments)

    assert done.exit_code == 2
    assert words in done.stderr
