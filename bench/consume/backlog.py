"""Backlogs: made once by the program whose form they have, put back as they were before each run.

Making one takes some programs longer than working it off; putting it back does not.
"""

import hashlib
import json
import pickle
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.consume.ask import Ask
from bench.consume.workers import Contender
from bench.failures import ProgramFailed
from bench.processes import running
from bench.store import Store

ROOT = Path(__file__).parent.parent.parent
# In what form settings let a message be written; all others leave a backlog as it is.
_FORM = "serializer"
_FILL_SECONDS = 300
_PAGE = 200

# Name, milliseconds it has left to live (0: for ever), content as DUMP gives it.
_Key = tuple[bytes, int, bytes]


@dataclass(frozen=True, slots=True)
class Backlogs:
    """Those of one run.

    Args:
        store: Where they go.
        directory: Where they are kept meanwhile.
    """

    store: Store
    directory: Path

    def put(self, contender: Contender, events: int) -> None:
        """Empty the store, and put a backlog of so many events into it.

        Raises:
            ProgramFailed: It could not be made.
        """
        path = self._path(contender, events)
        self.store.empty()
        if path.exists():
            self._restore(pickle.loads(path.read_bytes()))
            return
        self._make(contender, events)
        path.write_bytes(pickle.dumps(self._dump()))

    def _path(self, contender: Contender, events: int) -> Path:
        form = [
            contender.worker.fill_words,
            contender.worker.groups,
            contender.settings.get(_FORM),
            events,
        ]
        name = hashlib.sha256(json.dumps(form).encode()).hexdigest()[:16]
        return self.directory / f"{name}.backlog"

    def _make(self, contender: Contender, events: int) -> None:
        worker = contender.worker
        ask = Ask(
            url=self.store.url,
            events=events,
            settings=dict(contender.settings),
            program=worker.name,
        )
        variables = ask.variables() | program_variables()
        name = f"fill-{worker.program}"
        with running(name, worker.fill_words, self.directory, (), variables) as program:
            try:
                code = program.process.wait(_FILL_SECONDS)
            except subprocess.TimeoutExpired:
                code = None
            if code != 0:
                said = program.log.read_text("utf-8", "replace")[-2000:]
                raise ProgramFailed(f"{name} ended with {code}. Its log ends:\n{said}")

    def _dump(self) -> list[_Key]:
        client = self.store.client
        names: list[Any] = list(client.scan_iter(count=1000))
        found: list[_Key] = []
        for start in range(0, len(names), _PAGE):
            page, pipeline = names[start : start + _PAGE], client.pipeline(transaction=False)
            for name in page:
                pipeline.pttl(name)
                pipeline.dump(name)
            said = pipeline.execute()
            found += (
                (name, max(0, ttl), content)
                for name, ttl, content in zip(page, said[::2], said[1::2], strict=True)
            )
        return found

    def _restore(self, keys: list[_Key]) -> None:
        for start in range(0, len(keys), _PAGE):
            pipeline = self.store.client.pipeline(transaction=False)
            for name, ttl, content in keys[start : start + _PAGE]:
                pipeline.restore(name, ttl, content)
            pipeline.execute()


def program_variables() -> dict[str, str]:
    """Give what lets a program find the benchmark's modules."""
    return {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
