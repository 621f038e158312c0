"""The stage of a benchmark: tools and disk checked, contenders started, lines kept, all ended.

Options in; contenders that run within a block out. It leaves no process and no file of theirs.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import lines
from bench.contenders.contender import Contender
from bench.contenders.launch import Launch, Place
from bench.contenders.prove import prove
from bench.disk import confirmation, file_system
from bench.machine import OTHERS, OURS, Cores, cores, describe
from bench.options import Options
from bench.rounds import Method
from bench.tools import BASE, require


@dataclass(frozen=True, slots=True)
class Kit:
    """What a benchmark needs and names.

    Args:
        needs: Tools that must be there.
        tools: Those whose versions are kept.
        packages: Python packages whose versions are kept.
        versions: Of what is not in this environment.
        is_sent_to: Whether the contenders are sent deliveries over connections.
    """

    needs: Sequence[str] = BASE
    tools: Sequence[str] = ("nginx", "redis-server", "wrk")
    packages: Sequence[str] = (*OURS, *OTHERS)
    versions: Mapping[str, str] = field(default_factory=dict)
    is_sent_to: bool = True


SENDING = Kit()


@dataclass(slots=True)
class Stage:
    """Everything that is up while a benchmark runs.

    Args:
        options: What was asked for.
        cores: Who runs where.
        directory: For files of this run.
        path: The file of raw lines.
        contenders: Those that run, by name.
        faults: What went wrong in a round.
    """

    options: Options
    cores: Cores
    directory: Path
    path: Path
    contenders: dict[str, Contender] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def method(self) -> Method:
        """How rounds are run."""
        options = self.options
        return Method(
            rounds=options.rounds,
            seconds=options.seconds,
            warm_up_seconds=options.warm_up_seconds,
            connections=options.connections,
            cores=self.cores,
            directory=self.directory,
            patience_seconds=options.patience_seconds,
        )

    def keep(self, line: lines.Line) -> None:
        """Write a raw line, and show that the run goes on."""
        lines.append(self.path, line)
        shown = ", ".join(f"{name} {line[name]}" for name in line if name not in {"kind", "faults"})
        print(shown, flush=True)


@contextmanager
def stage(
    bench: str,
    options: Options,
    launches: Mapping[str, Launch],
    *,
    server_cores: int = 1,
    kit: Kit = SENDING,
) -> Iterator[Stage]:
    """Have all contenders up within the block, each shown to do its work.

    Args:
        bench: Names the file of raw lines.
        options: What was asked for.
        launches: How to start each contender, by name.
        server_cores: How many cores the servers would like.
        kit: What is needed and named.
    """
    require(kit.needs)
    options.directory.mkdir(exist_ok=True)
    options.results.mkdir(exist_ok=True)
    kind, shared = file_system(options.directory), cores(server_cores)
    own = Path(tempfile.mkdtemp(prefix=f"{bench}-", dir=options.directory.resolve()))
    facts = {
        "file_system": kind,
        "fsync": asdict(confirmation(own)),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "cores_used": asdict(shared),
    }
    if kit.is_sent_to:
        facts["connections"] = options.connections
    machine = describe(kit.packages, kit.tools, kit.versions)
    header = lines.header(bench, **machine, **facts)
    made = Stage(options, shared, own, options.directory / f"{bench}.jsonl")
    with ExitStack() as running:
        running.callback(shutil.rmtree, own)
        for name, launch in launches.items():
            made.contenders[name] = running.enter_context(launch(Place(own, shared)))
            prove(made.contenders[name], own)
        made.path.unlink(missing_ok=True)
        lines.append(made.path, header)
        yield made
        # A run that is broken off leaves its lines here, and those that are kept as they were.
        made.path = Path(shutil.move(made.path, options.results / f"{bench}.jsonl"))
