"""Ten thousand bodies that stop one byte before their end: a gateway in, its memory out.

They come from one loopback address, which is also that of good senders, and then from many.
Meanwhile good deliveries are sent at a fixed rate, on kept and on fresh connections.
"""

import sys
import time
from argparse import Namespace
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from bench.gateway import Gateway, gateway
from bench.holds.census import Census
from bench.holds.configured import add_deadline, configure
from bench.holds.figures import MIB, marks, mib, told
from bench.holds.jobs import Job, job
from bench.holds.judging import judge, options
from bench.holds.record import Record
from bench.holds.sender.jobs import send_until_told
from bench.holds.sender.opened import Pool
from bench.holds.sender.tally import Tally
from bench.holds.stopping import Fates, stop_short
from bench.residence import peak_bytes, resident_bytes
from bench.store import durable, store

_SAMPLE_SECONDS = 0.25
_OPEN_SECONDS = 60.0
_END_SECONDS = 60.0
ALLOWED = 1.20
_IN_HAND = "relay_body_bytes_in_hand"
_CONNECTIONS = "relay_connections"
_GOOD = Pool(kept=16, most=400, fresh_every=4)


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Let them come from one address and from many, each to a gateway of its own."""
    for addresses in (1, given.addresses):
        home = directory / str(addresses)
        home.mkdir()
        configure(home, given)
        with (
            store(home, durable("everysec")) as redis,
            gateway(home, redis.port) as relay,
        ):
            before = resident_bytes(relay.pid)
            tally, pressed = _press(record, given, relay, addresses)
            census = Census(redis.client)
            census.read_on()
            record.say(
                "end",
                addresses=addresses,
                before_bytes=before,
                peak_bytes=peak_bytes(relay.pid),
                good=tally.counts(),
                good_unopened=dict(tally.unopened),
                latency_ms=marks(tally.latencies_ms),
                lag_ms=marks(tally.lags_ms),
                fates=asdict(pressed.fates),
                in_hand_bytes=pressed.in_hand_bytes,
            )
            record.judge(
                f"the press from {_whence(addresses)} was real",
                f"{pressed.fates.told()}, at most {mib(pressed.in_hand_bytes)} MiB in hand",
                bound="all opened, each sent or cut; the gateway had bodies in hand",
                holds=pressed.is_real(given.connections),
            )
            _judge(record, given, (addresses, peak_bytes(relay.pid)), tally, census)


@dataclass(slots=True)
class _Pressed:
    """What the unfinished bodies came to.

    Args:
        fates: What became of the connections.
        in_hand_bytes: The most that the gateway said it had in hand.
    """

    fates: Fates = field(default_factory=Fates)
    in_hand_bytes: int = 0

    def is_real(self, connections: int) -> bool:
        """Tell whether the gateway was under the press that was meant."""
        fates = self.fates
        ended = sum(fates.answers.values()) + fates.silent
        opened = fates.unopened == 0 and fates.sent + ended >= connections
        return opened and self.in_hand_bytes > 0


def _press(
    record: Record, given: Namespace, relay: Gateway, addresses: int
) -> tuple[Tally, _Pressed]:
    pressing = (relay.port, given.connections, addresses, given.body, given.opened)
    with (
        job(send_until_told, relay.port, 1, given.rate, _GOOD) as good,
        job(stop_short, *pressing) as stopping,
    ):
        good.heard(_OPEN_SECONDS)
        stopping.heard(_OPEN_SECONDS)
        pressed = _watch(record, given, relay, addresses, stopping)
        good.tell("enough")
        tally = good.result(_END_SECONDS)
        stopping.tell("enough")
        return tally, pressed


def _watch(
    record: Record, given: Namespace, relay: Gateway, addresses: int, stopping: Job[None]
) -> _Pressed:
    """Sample for as long as the press is meant to last, or until it has become real."""
    pressed, started = _Pressed(), time.monotonic()
    least = started + given.connections / given.opened + given.seconds
    while (now := time.monotonic()) < least or (
        not pressed.is_real(given.connections) and now < least + _OPEN_SECONDS
    ):
        pressed.fates = cast("Fates", stopping.said() or pressed.fates)
        gauges = relay.gauges(_IN_HAND, _CONNECTIONS)
        in_hand = int(gauges.get(_IN_HAND, 0))
        pressed.in_hand_bytes = max(pressed.in_hand_bytes, in_hand)
        record.line(
            "sample",
            addresses=addresses,
            seconds=round(time.monotonic() - started, 2),
            resident_bytes=resident_bytes(relay.pid),
            unfinished=pressed.fates.open,
            in_hand_bytes=in_hand,
            connections=int(gauges.get(_CONNECTIONS, 0)),
            socket_pages=_socket_pages(),
        )
        time.sleep(_SAMPLE_SECONDS)
    return pressed


def _whence(addresses: int) -> str:
    return "one address" if addresses == 1 else f"{addresses} addresses"


def _socket_pages() -> int:
    """Say how many pages the kernel holds for TCP, of all the machine; no process has them."""
    for line in Path("/proc/net/sockstat").read_text("ascii").splitlines():
        if line.startswith("TCP:"):
            return int(line.rpartition("mem ")[2].split()[0])
    return 0


def _judge(
    record: Record, given: Namespace, memory: tuple[int, int], tally: Tally, census: Census
) -> None:
    addresses, peak = memory
    truth = census.truth(bytes(tally.accepted))
    bound = ALLOWED * given.budget * MIB
    whence = _whence(addresses)
    record.judge(
        f"{given.connections:,} unfinished bodies from {whence} stay within the budget",
        f"at most {mib(peak)} MiB resident",
        bound=f"budget {given.budget} MiB + 20 % = {mib(bound)} MiB",
        holds=0 < peak <= bound,
    )
    record.judge(
        f"good deliveries go on beside {whence}",
        f"{told(tally.counts())} of {tally.due}, {truth.lost} lost, {truth.doubled} doubled, "
        f"after ms {told(marks(tally.latencies_ms))}",
        bound="every answer 200, each stored once",
        holds=truth.holds and 0 < tally.due == tally.stored == truth.entries,
    )


def main() -> int:
    """Read the options and run."""
    parser = options("Memory of the gateway under bodies that never end.")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--addresses", type=int, default=100, help="in the second part")
    parser.add_argument("--body", type=int, default=65_536, help="bytes of each body")
    parser.add_argument("--opened", type=float, default=1_000, help="connections per second")
    parser.add_argument("--rate", type=float, default=100, help="good deliveries per second")
    parser.add_argument("--seconds", type=float, default=20, help="after all are open")
    parser.add_argument("--budget", type=int, default=256, help="the gateway's default, in MiB")
    add_deadline(parser)
    return judge("unfinished", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
