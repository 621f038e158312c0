"""The gateway's processes are killed and put to sleep: the child that answers, and its parent."""

import asyncio
import os
import random
import signal

from tests.faults.scenario import Scenario
from tests.faults.town import Plan, Playing, Town
from tests.members import Member
from tests.programs import children_of
from tests.waiting import wait_until

SLEEP_SECONDS = (0.2, 3.0)
# One child: the parent has a single one to lose.
PLAN = Plan(gateways=2)


async def child_killed(town: Town, chance: random.Random) -> None:
    """Kill a child, at once or within 5 ms after an append has passed; its parent replaces it."""
    member = chance.choice(town.gateways)
    pid = await _child_of(member)
    if chance.random() < 0.5:
        town.kill_soon(pid, chance)
    else:
        os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: pid not in children_of(member.pid), description="the child is gone")


async def parent_killed(town: Town, chance: random.Random) -> None:
    """Kill the parent alone: nobody is there any more to replace its child."""
    member = chance.choice(town.gateways)
    os.kill(member.pid, signal.SIGKILL)
    await wait_until(lambda: not member.runs, description="the parent is gone")
    await asyncio.sleep(chance.uniform(0, 0.5))


async def all_killed(town: Town, chance: random.Random) -> None:
    """Kill all processes of one gateway, as a power cut would."""
    await chance.choice(town.gateways).kill()


async def child_stopped(town: Town, chance: random.Random) -> None:
    """Stop a child from running: what it holds stays where it is."""
    pid = await _child_of(chance.choice(town.gateways))
    await _sleep(pid, chance)


async def parent_stopped(town: Town, chance: random.Random) -> None:
    """Stop a parent from running; its child goes on."""
    await _sleep(chance.choice(town.gateways).pid, chance)


async def _child_of(member: Member) -> int:
    await wait_until(lambda: bool(children_of(member.pid)), description="a child runs")
    return children_of(member.pid)[0]


async def _sleep(pid: int, chance: random.Random) -> None:
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(*SLEEP_SECONDS))
    os.kill(pid, signal.SIGCONT)


_ROWS = (
    ("child-killed", "a gateway process is killed (-9)", child_killed, 20, 3),
    ("parent-killed", "a gateway's parent process is killed (-9)", parent_killed, 10, 0),
    ("killed", "all processes of a gateway are killed (-9)", all_killed, 15, 0),
    ("child-stopped", "a gateway process stands still for up to 3 s", child_stopped, 8, 0),
    (
        "parent-stopped",
        "a gateway's parent process stands still for up to 3 s",
        parent_stopped,
        4,
        0,
    ),
)
SCENARIOS = tuple(
    Scenario(f"gateway-{name}", title, Playing(fault, PLAN), rounds, short, servers=("valkey",))
    for name, title, fault, rounds, short in _ROWS
)
