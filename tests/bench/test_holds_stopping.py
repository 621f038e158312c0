"""Senders that stop short send all but one byte, and see what becomes of them."""

import asyncio

import pytest

from bench.holds.stopping import Crowd, request_of, sources_of
from tests.bench.toys import CUT, toy_server
from tests.waiting import wait_until


async def test_each_sends_all_but_the_last_byte_and_waits() -> None:
    """From as many addresses as asked for."""
    received: dict[str, int] = {}
    peers: set[str] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        peers.add(peer[0])
        while piece := await reader.read(65_536):
            received[str(peer)] = received.get(str(peer), 0) + len(piece)

    async with toy_server(take) as port, asyncio.timeout(30):
        request = request_of(65_536)
        crowd = Crowd(port, request)
        await crowd.open_all(sources_of(6, 3), rate=1000)
        length = len(request)
        await wait_until(
            lambda: sorted(received.values()) == [length] * 6, description="all have arrived"
        )

        assert len(peers) == 3
        assert request.partition(b"\r\n\r\n")[2].ljust(65_536, b" ") != b""
        assert len(request.partition(b"\r\n\r\n")[2]) == 65_535
        assert (crowd.count().open, crowd.count().sent) == (6, 6)
        crowd.close()


@pytest.mark.parametrize(
    ("answer", "answers", "silent"), [(CUT, {"408": 5}, 0), (b"", {}, 5)], ids=["408", "silence"]
)
async def test_those_that_are_cut_are_counted(
    answer: bytes, answers: dict[str, int], silent: int
) -> None:
    """With their answer, or without one."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(answer)

    async with toy_server(cut) as port, asyncio.timeout(30):
        crowd = Crowd(port, request_of(4096))
        await crowd.open_all(sources_of(5, 1), rate=1000)
        await wait_until(lambda: crowd.count().open == 0, description="all are cut")
        fates = crowd.count()

        assert fates.answers == answers
        assert fates.silent == silent
        assert fates.unopened == 0
        crowd.close()


def test_one_address_is_that_of_good_senders() -> None:
    """Many are others, all of loopback."""
    assert set(sources_of(10, 1)) == {"127.0.0.1"}
    many = sources_of(1000, 300)
    assert len(set(many)) == 300
    assert all(address.startswith("127.1.") for address in many)
