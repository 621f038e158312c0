"""The snippets for other programs do what their page says, on a real server."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from relay.contract.connect import connect
from relay.contract.entry import encode
from relay.contract.event import Event
from tests.servers import Server

pytestmark = pytest.mark.redis

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "subscribe.md"
STREAM = "relay:{unipile}:message.new"


@pytest.fixture
async def stored(server: Server) -> Server:
    """A server with three events, as the gateway writes them."""
    redis = connect(server.url, role="test")
    for number in range(3):
        event = Event(
            id=f"evt_{number}",
            source="/webhooks/unipile",
            type="message.new",
            data=b"{}",
            received_at_ms=1,
            assurance="body",
        )
        fields = encode(event)
        await redis.xadd(STREAM, dict(zip(fields[::2], fields[1::2], strict=True)))
    await redis.aclose()
    return server


@pytest.mark.one_server("the page is for a single server")
def test_the_python_snippet_reads_acknowledges_and_takes_over(
    stored: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """It handles what is new once, and then what another reader of its group left."""
    snippet = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(snippet, names)
    redis = Redis.from_url(stored.url, retry=Retry(NoBackoff(), 0))
    names["join"](redis)
    names["join"](redis)
    redis.xreadgroup(names["GROUP"], "one-that-dies", {STREAM: ">"}, count=1)

    assert names["read"](redis) == 2
    assert names["read"](redis) == 0
    assert names["take_over"](redis, idle_ms=0) == 1
    pending: Any = redis.xpending(STREAM, names["GROUP"])
    assert pending["pending"] == 0
    assert sorted(re.findall(r"evt_\d", capsys.readouterr().out)) == ["evt_0", "evt_1", "evt_2"]
    redis.close()


@pytest.mark.skipif(not shutil.which("redis-cli"), reason="there is no redis-cli")
def test_the_redis_cli_lines_read_acknowledge_and_take_over(stored: Server) -> None:
    """Each line of the page runs, and what is acknowledged is not given again."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    create, read_and_ack, take_over = blocks[:3]
    read, ack = read_and_ack.splitlines()
    [(first_id, _), *_] = stored.entries(STREAM)

    _run(create, stored)
    said = _run(read.replace("BLOCK 5000 ", ""), stored)
    _run(ack.replace("1791796448123-0", first_id), stored)
    taken = _run(take_over.replace(" 60000 ", " 0 "), stored)

    assert [said.count(f"evt_{number}") for number in range(3)] == [1, 1, 1]
    assert [taken.count(f"evt_{number}") for number in range(3)] == [0, 1, 1]


def _run(line: str, server: Server) -> str:
    command = line.strip().replace("redis-cli", f"redis-cli -e -p {server.port}", 1)
    done = subprocess.run(
        ["bash", "-ec", command], capture_output=True, text=True, timeout=20, check=True
    )
    return done.stdout
