"""The stand-in as a program."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from relay.commands.unipile import stand_in
from relay.unipile.stand_in import StandIn
from tests.programs import Program, end, start
from tests.relay.commands.conftest import Relay, relay
from tests.relay.unipile.stand_in.receiving import Receiver
from tests.waiting import wait_until

__all__ = ["relay"]


@contextmanager
def standing_in(directory: Path, *options: str, **variables: str) -> Iterator[Program]:
    """Have the program within the block."""
    words = ["-m", "relay", "unipile", "stand-in", "--port", "0", *options]
    program = start(words, directory, "stand-in", **variables)
    try:
        yield program
    finally:
        end(program)


async def url_of(program: Program) -> str:
    """Wait until it listens, and give its address."""
    await wait_until(
        lambda: "UNIPILE_API_URL=" in program.output() or program.process.poll() is not None,
        deadline_seconds=90,
        description="it listens",
    )
    assert program.process.poll() is None, program.output()
    return program.output().partition("UNIPILE_API_URL=")[2].partition("\n")[0]


@pytest.mark.e2e
async def test_events_happen_and_are_told_of(tmp_path: Path) -> None:
    """Signed ones, one line for each; no secret and no query is said; SIGTERM ends it with 0."""
    receiver = Receiver(answers=[500])
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.receive)
    options = ("--every", "0.01", "--accounts", "2", "--retry", "0")
    with standing_in(tmp_path, *options, UNIPILE_API_KEY="my-own-key") as program:
        async with (
            TestServer(app) as server,
            ClientSession(await url_of(program), headers={"X-API-KEY": "my-own-key"}) as api,
        ):
            url = f"{server.make_url('/hook')}?token=in-the-query\x1b[31m"
            async with api.post(
                "/v2/webhooks/endpoints/", json={"url": url, "trigger_events": ["message.new"]}
            ) as answer:
                made = await answer.json()
            event = {"type": "message.new", "account": "acc_\x1b[31m"}
            async with api.post("/stand-in/events", json=event) as answer:
                assert answer.status == 200
            path = f"/v2/webhooks/endpoints/{made['id']}"
            async with api.get("/stand-in/state") as answer:
                state = await answer.json()
            await wait_until(
                lambda: f"to {made['id']}: 200, a retry" in program.output(),
                description="the retry is told of",
            )
            async with api.delete(path) as answer:
                assert answer.status == 200
        exit_code = program.terminate()
        said = program.output()

    assert exit_code == 0
    assert receiver.are_genuine(made["secret"]) == [True] * len(receiver.came)
    assert len(state["accounts"]) == 2
    assert len(state["events"]) > 1
    assert f"endpoint {made['id']} created: http://127.0.0.1:" in said
    assert f"to {made['id']}: 500\n" in said
    assert f"endpoint {made['id']} deleted" in said
    for hidden in ("my-own-key", made["secret"], "in-the-query", "\x1b", "Traceback"):
        assert hidden not in said


@pytest.mark.parametrize(
    ("said", "key"), [(" ", "stand-in"), ("my-own-key", "the UNIPILE_API_KEY of this shell")]
)
def test_it_says_how_it_is_reached(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, said: str, key: str
) -> None:
    """With which key where nobody has said one, and which accounts it has; Ctrl-C ends it."""
    before = [signal.getsignal(number) for number in stand_in.SIGNALS]

    async def press_ctrl_c(unipile: StandIn, every: float, ended: asyncio.Event) -> None:
        del unipile, every
        signal.raise_signal(signal.SIGINT)
        await ended.wait()

    monkeypatch.setattr(stand_in, "_emit", press_ctrl_c)
    try:
        done = relay("unipile", "stand-in", "--port", "0", "--every", "1", UNIPILE_API_KEY=said)
    finally:
        for number, handler in zip(stand_in.SIGNALS, before, strict=True):
            signal.signal(number, handler)

    assert done.exit_code == 0, done.output
    assert "UNIPILE_API_URL=http://127.0.0.1:" in done.stdout
    assert done.stdout.count("\naccount acc_standin") == 3
    assert key in done.stdout
    assert "my-own-key" not in done.stdout


@pytest.mark.parametrize("options", [["--retry", "nan"], ["--every", "inf"], ["--retry", "-1"]])
def test_times_that_are_none_are_refused(relay: Relay, options: list[str]) -> None:
    """Before anything listens."""
    done = relay("unipile", "stand-in", "--port", "0", *options)

    assert done.exit_code == 2
    assert options[0] in done.stderr
