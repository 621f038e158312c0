"""Finds canaries in whatever is logged while a test runs, and fails the test.

It hears structlog before any processor, also where a test captures the lines; the standard
library's loggers; what programs write to standard error, whether to a file, to their starter or
to ours. What a command prints to standard output is a result and no log.
"""

import logging
import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog import _base

from tests.canaries import CANARIES

_process_event = _base.BoundLoggerBase._process_event
_popen = subprocess.Popen.__init__
_communicate = subprocess.Popen.communicate

# Our programs say by themselves what asyncio would say, without the exception's message; in a
# test nobody may have told the loop to.
REPLACED = ("asyncio",)


class Scanner(logging.Handler):
    """Listens as long as it is registered with pytest."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.found: list[str] = []
        # Where programs write to, and how far each file has been read.
        self._read: dict[Path, int] = {}

    # Hears.

    def look(self, text: str, where: str) -> None:
        """Take note of each canary in a text.

        Args:
            text: What was logged.
            where: Named in the failure: the event, or the file.
        """
        self.found += [f"{where} holds the {name}" for name in _names_in(text)]

    def look_at_event(self, event: object, fields: Mapping[str, Any]) -> None:
        """Look at a structured line, every field of it."""
        self.look(f"{event!r} {dict(fields)!r}", f"log event {str(event)[:80]!r}")

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a line of the standard library's."""
        if record.name not in REPLACED:
            formatter = logging.Formatter()
            self.look(formatter.format(record), f"log line of {record.name!r}")

    def watch(self, path: Path) -> None:
        """Look at what is written to a file from now on, when its test has ended."""
        self._read.setdefault(path, path.stat().st_size if path.exists() else 0)

    def read_files(self) -> None:
        """Look at what programs have written since the last time."""
        for path, offset in list(self._read.items()):
            if not path.exists():
                del self._read[path]
                continue
            with path.open("rb") as file:
                file.seek(offset)
                written = file.read()
            self._read[path] = offset + len(written)
            text = written.decode("utf-8", "replace")
            if _names_in(text):
                for line in text.splitlines():
                    self.look(line, f"{path.name}, line {line[:300]!r},")

    # Is part of pytest.

    def pytest_configure(self) -> None:
        """Begin to listen."""
        logging.getLogger().addHandler(self)
        scanner = self

        def process_event(
            logger: _base.BoundLoggerBase, method: str, event: Any, fields: dict[str, Any]
        ) -> Any:
            scanner.look_at_event(event, {**logger._context, **fields})
            return _process_event(logger, method, event, fields)

        def popen(process: Any, *args: Any, **options: Any) -> None:
            name = getattr(options.get("stderr"), "name", None)
            if isinstance(name, str):
                scanner.watch(Path(name).absolute())
            _popen(process, *args, **options)

        def communicate(process: Any, *args: Any, **options: Any) -> tuple[Any, Any]:
            out, errors = _communicate(process, *args, **options)
            text = errors.decode("utf-8", "replace") if isinstance(errors, bytes) else errors
            scanner.look(text or "", f"standard error of {str(process.args)[:80]}")
            return out, errors

        _base.BoundLoggerBase._process_event = process_event  # type: ignore[assignment,method-assign]
        subprocess.Popen.__init__ = popen  # type: ignore[assignment]
        subprocess.Popen.communicate = communicate  # type: ignore[assignment,method-assign]

    def pytest_unconfigure(self) -> None:
        """Listen no more."""
        logging.getLogger().removeHandler(self)
        _base.BoundLoggerBase._process_event = _process_event  # type: ignore[method-assign]
        subprocess.Popen.__init__ = _popen  # type: ignore[method-assign]
        subprocess.Popen.communicate = _communicate  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail a test of which anything was found, once all of it has ended."""
        report = yield
        if call.when == "teardown":
            self.read_files()
            # Of programs, too, that have inherited it.
            self.look(report.capstderr, "standard error")
            found, self.found = self.found, []
            if found and report.passed:
                report.outcome = "failed"
                report.longrepr = "\n".join(["a log holds what must never be logged:", *found[:20]])
        return report


def pytest_configure(config: pytest.Config) -> None:
    """Have every test listened to."""
    scanner = Scanner()
    config.pluginmanager.register(scanner, "log-scanner")


def _names_in(text: str) -> list[str]:
    return [name for name, canary in CANARIES.items() if canary in text]
