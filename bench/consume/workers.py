"""Who is compared, and how each is started. What the settings are is said in ``best.json``."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.consume.ask import Handler
from bench.lines import Line
from relay.contract.keys import Keys

BEST = Path(__file__).with_name("best.json")
DEFAULTS, ONE, HUNDRED = "defaults", "1 in flight", "100 in flight"
_BIN = Path(sys.executable).parent
# What the entries of the relay are in, and what others read of them.
_STREAM = Keys().stream("unipile", "message.new")
_PROGRAMS = "bench.consume.programs"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Worker:
    """A kind of worker.

    Args:
        name: What it is called.
        program: Module of `bench.consume.programs`.
        command: How it is started, where it is not that module.
        backlog: Module that makes its backlog; its own by default.
        python: Which environment it runs in.
        groups: Streams that it reads and its group in each.
        keys: Lists, sets and hashes that are empty once all is done.
        guess: Events per second, until a first look at it.
    """

    name: str
    program: str
    command: Sequence[str] = ()
    backlog: str = ""
    python: str = sys.executable
    groups: Mapping[str, str] = field(default_factory=dict)
    keys: Sequence[str] = ()
    guess: int = 1000

    @property
    def words(self) -> list[str]:
        """Its command."""
        return [*(self.command or (self.python, "-m", f"{_PROGRAMS}.{self.program}", "work"))]

    @property
    def fill_words(self) -> list[str]:
        """The command that makes its backlog."""
        module = f"{_PROGRAMS}.{self.backlog or self.program}"
        return [self.python, "-m", module, "fill"]


RELAY = Worker(
    name="relay",
    program="relay",
    command=(str(_BIN / "relay"), "worker", f"{_PROGRAMS}.relay:worker"),
    backlog="bare",
    groups={_STREAM: "bench"},
    guess=10_000,
)
BARE = Worker(name="bare loop", program="bare", groups={_STREAM: "bench"}, guess=30_000)
# An environment of its own: its client of Redis is older than ours.
ARQ = str(Path(sys.prefix) / "bench-arq/bin/python")
PEERS = (
    Worker(name="FastStream", program="faststream", groups={"events": "bench"}),
    Worker(name="taskiq-redis streams", program="taskiq", groups={"taskiq": "taskiq"}),
    Worker(name="taskiq-redis lists", program="taskiq", keys=("taskiq",)),
    Worker(name="arq", program="arq", python=ARQ, keys=("arq:queue",)),
    Worker(name="streaq", program="streaq", groups={"streaq:default:queues:normal": "workers"}),
)
LOOPS: Mapping[str, dict[str, Any]] = {"json": {}, "msgspec": {"parser": "msgspec"}}
MANY = (RELAY, *PEERS)


@dataclass(frozen=True, slots=True)
class Contender:
    """A worker with settings, under a handler.

    Args:
        worker: Which kind.
        variant: Which settings, in a word or two.
        handler: What it does to an event.
        settings: Those that are not its defaults.
    """

    worker: Worker
    variant: str
    handler: Handler
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called in lines and tables."""
        return f"{self.worker.name}, {self.variant}"


def best() -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """Read the settings that a sweep found: worker -> handler -> variant -> settings."""
    return dict(json.loads(BEST.read_text("utf-8")))


def keep_best(line: Line) -> None:
    """Put what a sweep found into the file of the best settings; all else in it stays.

    Args:
        line: With worker, handler, variant and settings.
    """
    made = best()
    by_handler = made.setdefault(line["worker"], {}).setdefault(line["handler"], {})
    by_handler[line["variant"]] = line["settings"]
    BEST.write_text(json.dumps(made, indent=2) + "\n", "utf-8")


def contenders() -> list[Contender]:
    """Give all that are compared, in the order of a round."""
    found, made = best(), list[Contender]()
    handlers: tuple[Handler, ...] = ("no-op", "1 ms")
    for handler in handlers:
        for worker in MANY:
            made.append(Contender(worker, DEFAULTS, handler, {}))
            for variant, settings in found.get(worker.name, {}).get(handler, {}).items():
                made.append(Contender(worker, variant, handler, settings))
    # One at a time is all that a loop can do, so a handler that waits says nothing of it.
    made += (Contender(BARE, name, "no-op", settings) for name, settings in LOOPS.items())
    return made
