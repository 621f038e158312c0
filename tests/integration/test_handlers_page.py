"""The snippets of the page on handlers do what the page says."""

import asyncio
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import consumers
from consumers import Worker
from consumers.handle import Runner
from consumers.handle_batch import BatchRunner
from consumers.outcome import Done, GaveUp, Outcome
from consumers.starting.lifespan import Lifespan
from tests.consumers.making import make_seen

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "handlers.md"
MODULE = "a_snippet_of_the_page"
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def snippet(word: str) -> str:
    """Give the snippet that a word stands in."""
    (found,) = (text for text in SNIPPETS if word in text)
    return str(found)


def declared(text: str) -> Worker:
    """Give the worker of a snippet; a short one goes on from the page's first lines."""
    module = ModuleType(MODULE)
    names: dict[str, Any] = module.__dict__
    names |= {name: getattr(consumers, name) for name in consumers.__all__}
    names["worker"] = Worker(group="crm")
    # Isolated handlers are looked up in their module.
    sys.modules[MODULE] = module
    exec(text, names)
    found = names["worker"]
    assert isinstance(found, Worker)
    return found


async def handled(text: str, data: bytes) -> Outcome:
    """Run the first handler of a snippet on one event, as a worker would."""
    worker = declared(text)
    worker.check()
    lifespan = Lifespan(worker)
    assert await lifespan.start(asyncio.Event())
    runner = Runner(worker.wrapped_handlers()[0])
    runner.provide(lifespan.resources)
    try:
        return await runner.run(make_seen(data=data))
    finally:
        runner.close()
        await lifespan.stop(10)


@pytest.mark.parametrize("text", SNIPPETS, ids=range(len(SNIPPETS)))
def test_every_declaration_of_the_page_is_right(text: str) -> None:
    """Nothing of it would be refused at start."""
    worker = declared(text)
    if worker.handlers:
        worker.check()


async def test_what_handlers_share_reaches_the_handler() -> None:
    """Start-up hook and handler talk to the service through one session."""
    came: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        came.append(f"{request.method} {request.path} {await request.text()}")
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as service:
        text = snippet("ClientSession(").replace("https://crm.example/", str(service.make_url("/")))
        outcome = await handled(text, b"hello")

    assert outcome == Done()
    assert came == ["GET /health ", "POST /messages hello"]


async def test_a_payload_is_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The part of the body that is pointed at; one that does not fit is given up."""
    good = await handled(snippet("payload_at"), b'{"payload": {"id": "m1", "text": "hello"}}')
    said = capsys.readouterr().out
    bad = await handled(snippet("payload_at"), b'{"payload": {"id": 5}}')

    assert good == Done()
    assert said == "m1 hello\n"
    assert isinstance(bad, GaveUp)
    assert bad.reason == "invalid_payload"


async def test_the_middleware_runs_around_the_handler(capsys: pytest.CaptureFixture[str]) -> None:
    """Its line comes after the handler's."""
    outcome = await handled(snippet("@worker.middleware"), b"{}")

    assert outcome == Done()
    assert re.fullmatch(r"evt_1\nmessage\.new 0\.\d+\n", capsys.readouterr().out)


async def test_the_batch_handler_says_of_each_event_what_became_of_it() -> None:
    """One without a text is given up, and the other is done."""
    (handler,) = declared(snippet("@worker.on_batch")).handlers
    bodies = [b'{"payload": {"text": "hello"}}', b'{"payload": {}}']
    outcomes = await BatchRunner(handler).run_batch([make_seen(data=body) for body in bodies])

    assert outcomes == [Done(), GaveUp("GiveUp: no text")]
