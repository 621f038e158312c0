"""One event comes to two gateways at the same instant, thousands of times."""

import asyncio
from collections.abc import Iterator

from tests.faults.scenario import Scenario, Stage
from tests.faults.town import Town, a_town
from tests.load import body_of
from tests.records import Record
from tests.signing import signed

# Each event goes over two connections at once, and so many events at a time.
PAIRS = 16
PER_ROUND = 1000


class Pair:
    """A connection to each of two gateways."""

    def __init__(self, ends: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        self._ends = ends

    @classmethod
    async def open(cls, ports: list[int]) -> "Pair":
        """Connect to each."""
        return cls([await asyncio.open_connection("127.0.0.1", port) for port in ports])

    async def deliver(self, body: bytes) -> list[int]:
        """Send the same to both at once, and give what each has answered."""
        request = _request(body)
        for _, writer in self._ends:
            writer.write(request)
        return [await _status(reader) for reader, _ in self._ends]

    async def close(self) -> None:
        """End both."""
        for _, writer in self._ends:
            writer.close()
            await writer.wait_closed()


async def at_both(stage: Stage) -> None:
    """Deliver a thousand events a round to two gateways, each to both at once."""
    async with a_town(stage) as town:
        async with town.sending("warm", stage.chance("warm")):
            pass
        for number in range(stage.rounds):
            before = town.unanswered()
            await _round(town, number)
            stage.end_round(town.unanswered() - before)
        await town.conclude()


async def _round(town: Town, number: int) -> None:
    intents, acks = (Record(town.directory / f"{name}.log") for name in ("intents", "acks"))
    count = int(PER_ROUND * town.stage.share_of_load)
    ids = iter([f"same-{number:03}-{each:04}" for each in range(count)])
    pairs = [await Pair.open(town.ports) for _ in range(PAIRS)]
    await asyncio.gather(*(_send(pair, ids, intents, acks, town) for pair in pairs))
    for pair in pairs:
        await pair.close()
    intents.close()
    acks.close()


async def _send(pair: Pair, ids: Iterator[str], intents: Record, acks: Record, town: Town) -> None:
    for event_id in ids:
        intents.write(event_id)
        statuses = await pair.deliver(body_of(event_id))
        if 200 in statuses:
            acks.write(event_id)
        if statuses != [200, 200]:
            town.stage.troubles.append(f"{event_id} was answered {statuses}")


def _request(body: bytes) -> bytes:
    headers = {"host": "relay", "content-length": str(len(body)), **signed(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /webhooks/unipile HTTP/1.1\r\n{lines}\r\n".encode() + body


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next(line for line in lines if line.startswith("content-length:"))
    await reader.readexactly(int(length.partition(":")[2]))
    return int(lines[0].split(" ")[1])


SCENARIOS = (
    Scenario(
        "same-event",
        "the same event comes to two gateways at the same instant, a thousand times a round",
        at_both,
        rounds=10,
        short=1,
    ),
)
