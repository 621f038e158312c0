"""Senders who stop one byte before the end do not cost the gateway its memory."""

import asyncio
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import StartServer
from tests.load import Answers, deliver
from tests.programs import GatewayProgram, gateway

pytestmark = [
    pytest.mark.alone,
    pytest.mark.e2e,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc"),
]

MIB = 1024 * 1024
BODY_BYTES = 10 * MIB
SENDERS = 60
BUDGET_BYTES = 256 * MIB
SMALL_BODY_BYTES = 64 * 1024
SMALL_BUDGET_BYTES = 24 * MIB


@pytest.mark.parametrize("addresses", [1, SENDERS])
async def test_sixty_unfinished_bodies_stay_within_the_budget(
    addresses: int, start_server: StartServer, tmp_path: Path
) -> None:
    """60 × 10 MiB with a well-formed wrong signature, one byte short, beside good deliveries."""
    server = start_server("valkey", "always")
    with gateway(tmp_path, server.url) as program, ExitStack() as sockets:
        before = program.resident_bytes()
        unfinished = [
            sockets.enter_context(_open(program, f"127.0.0.{1 + number % addresses}"))
            for number in range(SENDERS)
        ]
        answers, highest = Answers(), before
        async with aiohttp.ClientSession() as session:
            for number, sender in enumerate(unfinished):
                await asyncio.to_thread(_send_all_but_one_byte, sender)
                assert await deliver(session, program.url, f"evt_{number}", answers)
                highest = max(highest, program.resident_bytes())

        assert answers.statuses == {200: SENDERS}
        assert highest - before < BUDGET_BYTES
        assert any(_was_cut(sender) for sender in unfinished), "no body was cut"


async def test_many_small_unfinished_bodies_stay_within_a_small_budget(
    start_server: StartServer, tmp_path: Path
) -> None:
    """700 × 64 KiB, one byte short, from as many addresses: most are cut, and leave nothing."""
    server = start_server("valkey", "always")
    with ExitStack() as sockets:
        program = sockets.enter_context(
            gateway(
                tmp_path,
                server.url,
                RELAY_BODY_BUDGET_BYTES=str(SMALL_BUDGET_BYTES),
                RELAY_MAX_BODY_BYTES=str(MIB),
            )
        )
        answers, before = Answers(), program.resident_bytes()
        unfinished = []
        for number in range(700):
            address = f"127.0.{1 + number // 200}.{1 + number % 200}"
            unfinished.append(sockets.enter_context(_open(program, address)))
            await asyncio.to_thread(_send_all_but_one_byte, unfinished[-1], SMALL_BODY_BYTES)
        async with aiohttp.ClientSession() as session:
            assert await deliver(session, program.url, "evt_1", answers)

        assert answers.statuses == {200: 1}
        assert program.resident_bytes() - before < SMALL_BUDGET_BYTES
        assert sum(map(_was_cut, unfinished)) > 350


def _open(program: GatewayProgram, address: str) -> socket.socket:
    return socket.create_connection(
        ("127.0.0.1", program.port), timeout=10, source_address=(address, 0)
    )


def _send_all_but_one_byte(sender: socket.socket, body_bytes: int = BODY_BYTES) -> None:
    head = (
        "POST /webhooks/unipile HTTP/1.1\r\nHost: relay\r\n"
        f"Content-Length: {body_bytes}\r\n"
        f"unipile-signature: t={int(time.time())},v0={'0' * 64}\r\n\r\n"
    )
    sender.sendall(head.encode())
    sender.sendall(bytes(body_bytes - 1))


def _was_cut(sender: socket.socket) -> bool:
    sender.settimeout(0)
    try:
        return b" 408 " in sender.recv(100)
    except BlockingIOError:
        return False
