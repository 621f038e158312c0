"""What goes wrong, and when: drawn from the seed, so that a run can be had again.

Two chains of faults run side by side: one after processes, often; one after the store and the
way to it, seldom enough that a dead worker can be told from a store that was away.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from tests.chaos.town import Town

# Between two faults.
PROCESS_PAUSE_SECONDS = (0.3, 2.0)
STORE_PAUSE_SECONDS = (2.0, 8.0)
WORK_WAIT_SECONDS = 1.0
# What is left to a server that is full: less than it uses, or just enough to go on for a moment.
FULL_RATIOS = (0.5, 1.001)


@dataclass
class Faults:
    """Makes faults until cancelled.

    Args:
        town: Where.
        seed: Decides which, when and how long.
        dead_seconds: After how long the workers take each other for dead.
        made: How often each fault was made.
    """

    town: Town
    seed: int
    dead_seconds: float
    made: Counter[str] = field(default_factory=Counter)

    async def after_processes(self) -> None:
        """Kill workers and gateways, put them to sleep, replace them."""
        kinds: dict[Callable[[random.Random], Awaitable[None]], int] = {
            self._kill_worker: 8,
            self._nap_of_worker: 2,
            self._sleep_of_worker: 2,
            self._replace_worker: 2,
            self._kill_gateway: 3,
            self._nap_of_gateway: 1,
            self._kill_client: 3,
        }
        await self._chain("processes", kinds, PROCESS_PAUSE_SECONDS)

    async def after_store(self) -> None:
        """Kill the server, put it to sleep, fill it, and spoil the way to it."""
        kinds: dict[Callable[[random.Random], Awaitable[None]], int] = {
            self._kill_server: 3,
            self._nap_of_server: 2,
            self._full_server: 2,
            self._slow: 2,
            self._cut: 2,
            self._reset: 2,
            self._black_hole: 2,
        }
        await self._chain("store", kinds, STORE_PAUSE_SECONDS)

    async def _chain(
        self,
        name: str,
        kinds: dict[Callable[[random.Random], Awaitable[None]], int],
        pause_seconds: tuple[float, float],
    ) -> None:
        chance = random.Random(f"{self.seed} {name}")
        while True:
            await asyncio.sleep(chance.uniform(*pause_seconds))
            (kind,) = chance.choices(list(kinds), list(kinds.values()))
            self.made[kind.__name__.strip("_").replace("_", " ")] += 1
            # A fault of its own chance: how long one takes must not change which is next.
            await kind(random.Random(chance.random()))

    # --- processes

    async def _kill_worker(self, chance: random.Random) -> None:
        member = chance.choice(self.town.workers)
        await self._until(lambda: member.is_busy)
        await self.town.kill(member)
        await asyncio.sleep(chance.uniform(0, 1))
        member.start()

    async def _replace_worker(self, chance: random.Random) -> None:
        member = chance.choice(self.town.workers)
        await member.terminate()
        member.start()

    async def _nap_of_worker(self, chance: random.Random) -> None:
        await self._sleep(chance, chance.uniform(0.1, 0.5) * self.dead_seconds)

    async def _sleep_of_worker(self, chance: random.Random) -> None:
        """Sleep past the dead time: what it held is taken over while it still means to act."""
        await self._sleep(chance, chance.uniform(1.5, 2.5) * self.dead_seconds)

    async def _sleep(self, chance: random.Random, seconds: float) -> None:
        member = chance.choice(self.town.workers)
        member.fall_asleep()
        await asyncio.sleep(seconds)
        member.wake_up()

    async def _kill_gateway(self, chance: random.Random) -> None:
        member = chance.choice(self.town.gateways)
        await self._until(lambda: member.is_busy)
        await self.town.kill(member)
        await asyncio.sleep(chance.uniform(0, 1))
        member.start()

    async def _nap_of_gateway(self, chance: random.Random) -> None:
        member = chance.choice(self.town.gateways)
        member.fall_asleep()
        await asyncio.sleep(chance.uniform(0.1, 2))
        member.wake_up()

    async def _kill_client(self, chance: random.Random) -> None:
        with suppress(RedisError), self.town.server.client() as store:
            clients = [row["id"] for row in store.client_list() if row["name"].startswith("relay:")]
            for client_id in chance.sample(clients, min(3, len(clients))):
                store.client_kill_filter(_id=client_id)

    # --- the store and the way to it

    async def _kill_server(self, chance: random.Random) -> None:
        await self._until(self._sending)
        self.town.count_kill(in_flight=self._sending())
        server = self.town.server
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(chance.choice((0.0, 0.5, 2.0)))
        await asyncio.to_thread(server.start)

    async def _nap_of_server(self, chance: random.Random) -> None:
        self.town.server.fall_asleep()
        await asyncio.sleep(chance.uniform(0.2, 1.5 * self.dead_seconds))
        self.town.server.wake_up()

    async def _full_server(self, chance: random.Random) -> None:
        with suppress(RedisError), self.town.server.client() as store:
            used = int(store.info("memory")["used_memory"])
            store.config_set("maxmemory", max(1, int(used * chance.choice(FULL_RATIOS))))
            await asyncio.sleep(chance.uniform(0.5, 4))
            store.config_set("maxmemory", 0)

    async def _slow(self, chance: random.Random) -> None:
        proxy = chance.choice(self.town.proxies)
        proxy.slow(chance.uniform(1, 60), jitter_ms=chance.uniform(0, 100))
        await asyncio.sleep(chance.uniform(1, 4))
        proxy.heal()

    async def _cut(self, chance: random.Random) -> None:
        proxy = chance.choice(self.town.proxies)
        way = chance.choice(("to server", "to client"))
        proxy.cut_after(chance.randrange(1, 20_000), way, times=10)  # type: ignore[arg-type]
        await asyncio.sleep(chance.uniform(1, 3))
        proxy.heal()

    async def _reset(self, chance: random.Random) -> None:
        chance.choice(self.town.proxies).reset()

    async def _black_hole(self, chance: random.Random) -> None:
        proxy = chance.choice(self.town.proxies)
        proxy.swallow()
        await asyncio.sleep(chance.uniform(0.5, 1.5 * self.dead_seconds))
        proxy.heal()

    async def _until(self, has_work: Callable[[], bool]) -> None:
        """Wait a moment for work to be in flight: what is idle loses nothing."""
        loop = asyncio.get_running_loop()
        end = loop.time() + WORK_WAIT_SECONDS
        while not has_work() and loop.time() < end:  # noqa: ASYNC110 - nobody says when
            await asyncio.sleep(0.002)

    def _sending(self) -> bool:
        return self.town.senders.under_way.total() > 0
