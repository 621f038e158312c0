"""What a scenario is played in: a durable store behind faulty connections, gateways, workers."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from redis import Redis

from tests.faults.checker import Left
from tests.faults.evidence import gather
from tests.faults.scenario import Stage
from tests.members import Member, gateway_member
from tests.programs import Program, start
from tests.proxy import Proxy, proxy_to
from tests.records import lines_of
from tests.senders import Load, Senders
from tests.servers import Durability, Server, find_binary, free_port
from tests.signing import SECRET
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
# Held by each append and by no other request.
APPEND = b"specversion"
WARM = 20
PHASE_SECONDS = 0.4
RECOVERY_SECONDS = 40.0
DRAIN_SECONDS = 60.0
SPOOL_SECONDS = 30.0
# By how much the workers' times are shortened: a dead one is known after three seconds.
PACE = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the town is made of.

    Args:
        fsync: When the store writes to disk.
        gateways: How many.
        workers: How many, of one group.
        load: What is sent.
        variables: Of the gateways' environment.
        each: Of each gateway's own.
        skews: By how many seconds the clocks of those are wrong who send to each gateway.
        directory: Of the store, where that is not the town's.
        answers: What a sender may be answered; 0 stands for no answer.
        drains: Something accepted may not be stored yet, and is to be within `SPOOL_SECONDS`.
        url: Where the gateways look for the store, where that is not behind a proxy.
    """

    fsync: Durability = "always"
    gateways: int = 2
    workers: int = 0
    load: Load = field(
        default_factory=lambda: Load(1000.0, 16, ("message.new", "message.read", "mail.new"), 0.0)
    )
    variables: Mapping[str, str] = field(default_factory=dict)
    each: Sequence[Mapping[str, str]] = ({}, {})
    skews: Sequence[int] = (0, 0)
    directory: Path | None = None
    url: str | None = None
    answers: AbstractSet[int] = frozenset((0, 200, 503))
    drains: bool = False


Fault = Callable[["Town", random.Random], Awaitable[None]]


@dataclass
class Town:
    """What runs.

    Args:
        stage: What it reports to.
        plan: What it was made from.
        server: The store.
        proxies: What each gateway reaches it through.
        ports: Of the gateways.
    """

    stage: Stage
    plan: Plan
    server: Server
    proxies: list[Proxy]
    ports: list[int]
    gateways: list[Member] = field(default_factory=list)
    workers: list[Member] = field(default_factory=list)
    senders: Senders | None = None

    @property
    def directory(self) -> Path:
        """Where all its files are."""
        return self.stage.directory

    @property
    def urls(self) -> list[str]:
        """Where each gateway takes deliveries."""
        return [f"http://127.0.0.1:{port}/webhooks/unipile" for port in self.ports]

    @property
    def members(self) -> list[Member]:
        """All processes but the store."""
        return self.gateways + self.workers

    def now_sending(self) -> Senders:
        """Give the senders of this round."""
        assert self.senders is not None, "nobody sends between rounds"
        return self.senders

    async def play(self, fault: Fault) -> None:
        """Play all rounds of a fault, then judge what is left."""
        for number in range(self.stage.rounds):
            await self.round(number, fault)
        await self.conclude()

    async def round(self, number: int, fault: Fault) -> None:
        """Send, make the fault at a moment left to chance, recover, and bring all to its end."""
        chance = self.stage.chance(number)
        before = self.unanswered()
        async with self.sending(f"r{number:03}", chance) as senders:
            await asyncio.sleep(chance.uniform(0, PHASE_SECONDS))
            await fault(self, chance)
            await self.recover()
            await self.until_settled(f"round {number}")
        if self.plan.drains:
            await self.until_stored(self.server)
        self.stage.end_round(senders.unanswered + self.unanswered() - before)

    @asynccontextmanager
    async def sending(self, name: str, chance: random.Random) -> AsyncIterator[Senders]:
        """Have events sent within the block, which begins when some were accepted."""
        skews = dict(zip(self.ports, self.plan.skews, strict=False))
        load = self.plan.load
        rate = load.events_per_second * self.stage.share_of_load
        named = replace(load, name=name, skew_seconds=skews, events_per_second=rate)
        senders = self.senders = Senders(self.ports, self.directory, chance, named)
        sending = asyncio.create_task(senders.run())
        try:
            await self._until_accepted(WARM)
            yield senders
        finally:
            await senders.stop()
            await sending
            senders.close()
            self.senders = None
            self._judge_answers(senders)

    async def recover(self) -> None:
        """End every fault, and have everything run."""
        for proxy in self.proxies:
            proxy.heal()
        await asyncio.to_thread(self.server.bring_back)
        for member in self.members:
            member.wake_up()
            member.notice_end()
            member.start()

    async def until_settled(self, when: str) -> None:
        """Wait until every event that was refused or not answered has its 200."""
        senders = self.now_sending()
        accepted = senders.statuses[200]
        try:
            await wait_until(
                lambda: not senders.unsettled and senders.statuses[200] >= accepted + WARM,
                deadline_seconds=RECOVERY_SECONDS,
                description="everything is accepted again",
            )
        except AssertionError as error:
            self.stage.troubles.append(f"{when}: {error}")

    async def conclude(self, *stores: Redis) -> None:
        """Wait until what was accepted is handled, and judge what is left."""
        if self.workers:
            await self._drain()
        if stores:
            left = gather(self.directory, *stores, handled=bool(self.workers))
        else:
            left = await asyncio.to_thread(self._left)
        self.stage.conclude(left)
        self.judge_members()

    def judge_members(self) -> None:
        """Look for faults of the programs' own in how they have ended and what they have said."""
        for member in self.members:
            self.stage.troubles += member.troubles(self.directory)

    def kill_soon(self, pid: int, chance: random.Random, within_seconds: float = 0.005) -> None:
        """Kill a process within a moment after the next append has passed to the store."""
        loop = asyncio.get_running_loop()
        after = chance.uniform(0, within_seconds)

        def soon() -> None:
            for proxy in self.proxies:
                proxy.watch(APPEND)
            loop.call_later(after, _kill, pid)

        for proxy in self.proxies:
            proxy.watch(APPEND, soon)

    async def until_stored(self, *servers: Server) -> None:
        """Wait until what was accepted is in the servers' streams, out of whatever spool."""

        def is_stored() -> bool:
            with ExitStack() as stack:
                stores = [stack.enter_context(server.client()) for server in servers]
                left = gather(self.directory, *stores)
            return left.accepted <= set(left.stored)

        async def all_stored() -> bool:
            return await asyncio.to_thread(is_stored)

        try:
            await wait_until(
                all_stored, deadline_seconds=SPOOL_SECONDS, description="the spools are drained"
            )
        except AssertionError as error:
            self.stage.troubles.append(str(error))

    def _left(self) -> Left:
        with self.server.client() as store:
            return gather(self.directory, store, handled=bool(self.workers))

    async def _drain(self) -> None:
        accepted = {words[0] for words in lines_of(self.directory / "acks.log")}

        def all_handled() -> bool:
            handled = {words[0] for words in lines_of(self.directory / "handled.log")}
            return accepted <= handled

        try:
            await wait_until(
                all_handled, deadline_seconds=DRAIN_SECONDS, description="all is handled"
            )
        except AssertionError as error:
            self.stage.troubles.append(str(error))

    async def _until_accepted(self, count: int) -> None:
        senders = self.now_sending()
        await wait_until(
            lambda: senders.statuses[200] >= count,
            deadline_seconds=RECOVERY_SECONDS,
            description=f"the first events are accepted; see {self.directory}",
        )

    def unanswered(self) -> int:
        """Say how many connections have ended with an append under way."""
        return sum(proxy.counted["unanswered"] for proxy in self.proxies)

    def _judge_answers(self, senders: Senders) -> None:
        wrong = senders.statuses.keys() - self.plan.answers
        self.stage.troubles += [
            f"{senders.statuses[status]} were answered {status}" for status in sorted(wrong)
        ]


@asynccontextmanager
async def a_town(
    stage: Stage, plan: Plan | None = None, server: Server | None = None
) -> AsyncIterator[Town]:
    """Have everything run within the block.

    Args:
        stage: Where.
        plan: What; by default two gateways and no workers.
        server: The store, not yet started; by default one of the stage's kind.
    """
    plan = plan or Plan()
    store = server or a_server(stage, plan)
    async with AsyncExitStack() as stack:
        stack.callback(store.stop)
        if not store.is_running:
            await asyncio.to_thread(store.start)
        ports = [free_port() for _ in range(plan.gateways)]
        proxies = [await stack.enter_async_context(proxy_to(store.port)) for _ in ports]
        for proxy in proxies:
            proxy.watch(APPEND)
        town = Town(stage, plan, store, proxies, ports)
        stack.push_async_callback(_end, town)
        _settle_in(town)
        yield town


def a_server(stage: Stage, plan: Plan) -> Server:
    """Make a store of the stage's kind.

    Raises:
        SystemExit: This machine has none.
    """
    binary = find_binary(stage.server)
    if binary is None:
        raise SystemExit(f"this machine has no {stage.server} server")
    return Server(binary, plan.directory or stage.directory, plan.fsync)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


async def _end(town: Town) -> None:
    await asyncio.gather(*(member.terminate() for member in town.members))


def _settle_in(town: Town) -> None:
    for number, (port, proxy) in enumerate(zip(town.ports, town.proxies, strict=True)):
        variables = {
            "REDIS_URL": town.plan.url or proxy.url,
            "UNIPILE_WEBHOOK_SECRET": SECRET,
            **town.plan.variables,
            **town.plan.each[number],
        }
        town.gateways.append(
            gateway_member(f"gateway-{number}", port, lambda: 0, town.directory, **variables)
        )
    for number in range(town.plan.workers):
        town.workers.append(_worker(f"worker-{number}", town))
    for member in town.members:
        member.start()


def _worker(name: str, town: Town) -> Member:
    variables = {
        "REDIS_URL": town.plan.url or town.server.url,
        "UNIPILE_WEBHOOK_SECRET": SECRET,
        "CHAOS_PACE": PACE,
        "PYTHONPATH": str(ROOT),
    }

    def launch(name: str) -> Program:
        target = ["-m", "tests.chaos.short", "tests.faults.handlers:worker"]
        return start(target, town.directory, name, **variables)

    return Member(name, launch, lambda _: True)


@dataclass(frozen=True)
class Playing:
    """The play of a fault that is made again and again in one town.

    Args:
        fault: Which.
        plan: Of the town.
    """

    fault: Fault
    plan: Plan = field(default_factory=Plan)

    async def __call__(self, stage: Stage) -> None:
        """Play it, and judge what is left."""
        async with a_town(stage, self.plan) as town:
            await town.play(self.fault)
