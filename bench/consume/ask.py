"""What a worker of the benchmark is told: a line of JSON in the environment, read at its start.

Nothing but the standard library: some workers run in an environment of their own.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

VARIABLE = "BENCH_ASK"
Handler = Literal["no-op", "1 ms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What to do.

    Args:
        url: The store.
        events: How many there are.
        handler: What is done to each beside parsing it.
        settings: What the worker is told of its own settings; those left out keep their defaults.
        program: Which of a program's forms is meant, where it has several.
        report: Path of the file that says what came of it.
    """

    url: str
    events: int
    handler: Handler = "no-op"
    settings: dict[str, Any] = field(default_factory=dict)
    program: str = ""
    report: str = ""

    def variables(self) -> dict[str, str]:
        """Write it for the environment of a process."""
        return {VARIABLE: json.dumps(asdict(self))}


def asked() -> Ask:
    """Read what this process was told.

    Raises:
        KeyError: It was told nothing.
    """
    return Ask(**json.loads(os.environ[VARIABLE]))
