"""What the page on dead letters shows runs, and does what it says."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner

from relay.commands import make_app
from tests.consumers.making import GROUP, KEYS, TAG, TYPE
from tests.consumers.operations.dead.setting_aside import ids_again, left, letter_for, set_aside
from tests.servers import Server

pytestmark = pytest.mark.redis

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "dead-letters.md"


@pytest.fixture
async def letters(store: Redis) -> None:
    """A letter that timed out and one that did not."""
    await set_aside(
        store,
        letter_for("evt_1", {b"lasterror": b"Timeout: after 30 s"}),
        letter_for("evt_2", {b"reason": b"invalid_payload"}),
    )


def test_every_command_of_the_page_runs(server: Server, letters: None) -> None:
    """In its order; what timed out is given back."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    for line in lines:
        words = [*shlex.split(line)[1:], "--redis-url", server.url]
        result = CliRunner().invoke(make_app(), words)

        assert result.exit_code == 0, f"{line}: {result.output}"
    assert len(lines) == 9
    with server.client() as client:
        found: Any = client.xrange(KEYS.again(TAG, GROUP, TYPE))
        assert [fields[b"id"] for _, fields in found] == [b"evt_1"]


async def test_the_snippet_gives_back_what_timed_out(
    store: Redis, letters: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """And leaves the rest."""
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)

    assert await names["mend"](store) == 1
    assert (await ids_again(store), await left(store)) == (["evt_1"], ["evt_2"])
    assert "('message.new', 1)" in capsys.readouterr().out
