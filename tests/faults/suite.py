"""Plays scenarios, each on each kind of server, and tells what came of them."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from redis.exceptions import RedisError

from tests.faults.scenario import Outcome, Scenario, Stage


async def play(
    scenario: Scenario,
    server: str,
    seed: int,
    *,
    rounds: int,
    share_of_load: float = 1.0,
    keep: Path | None = None,
) -> Outcome:
    """Play one scenario on one kind of server.

    Args:
        scenario: Which.
        server: The kind.
        seed: Decides all that is left to chance.
        rounds: How many.
        share_of_load: Which part of its load is sent.
        keep: Where its files are left; nowhere by default.
    """
    started = time.monotonic()
    with _directory(keep, f"{scenario.name}-{server}") as directory:
        stage = Stage(directory, server, rounds, seed, share_of_load)
        try:
            await scenario.play(stage)
        except (AssertionError, RedisError, OSError, subprocess.SubprocessError) as error:
            # Half an hour of others must not be lost with it.
            stage.troubles.append(f"it came to no end: {type(error).__name__} {error}")
    return Outcome(scenario, stage, time.monotonic() - started)


@contextmanager
def _directory(keep: Path | None, name: str) -> Iterator[Path]:
    if keep is not None:
        directory = keep / name
        directory.mkdir(parents=True)
        yield directory
        return
    # Short: the path of a socket in it may be no longer than a hundred characters.
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        yield Path(temporary)


def chosen(scenarios: Sequence[Scenario], only: Sequence[str]) -> list[Scenario]:
    """Give the scenarios that were asked for, or all.

    Raises:
        SystemExit: There is none of that name.
    """
    known = {scenario.name: scenario for scenario in scenarios}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise SystemExit(f"there is no scenario {', '.join(unknown)}; --list names all")
    return [known[name] for name in only] if only else list(scenarios)
