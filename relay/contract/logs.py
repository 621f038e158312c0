"""How both programs log: one line per outcome, text for people and JSON for programs.

structlog is imported where the first line is: that takes longer than most of what a command does,
and most commands log nothing.
"""

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.typing import Processor

LogFormat = Literal["auto", "text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

# Looked at before a line is put together that is most often not wanted: a call that says nothing
# costs as much as handling an event.
debugging = False
# What this process was told, for those that it starts.
level: LogLevel = "info"


class Logger:
    """Writes what a room says as `configure_logs` wants it, by structlog's methods.

    For the rooms that commands use too; a line costs a little more than with structlog's own.

    Args:
        name: The room's.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 - structlog's own are untyped too
        import structlog  # noqa: PLC0415 - most commands log nothing

        return getattr(structlog.get_logger(self._name), method)


class _Stderr:
    """Writes lines to standard error, and goes on where nobody reads them.

    A pipe that is closed or a disk that is full must not decide what becomes of an event.
    """

    def __init__(self, *_: object) -> None:
        self._file = sys.stderr

    def msg(self, message: str) -> None:
        """Write one line, if that is possible."""
        with suppress(OSError, ValueError):
            # As one piece: where Python does not buffer, `print` writes the end of a line by
            # itself, and the line of another process comes in between.
            self._file.write(f"{message}\n")
            self._file.flush()

    debug = info = warning = error = critical = log = msg


def configure_logs(
    log_format: LogFormat,
    *,
    log_level: LogLevel = "info",
    also: "Sequence[Processor]" = (),
) -> None:
    """Send every log line to standard error.

    Args:
        log_format: ``auto`` is text on a terminal and JSON elsewhere.
        log_level: What is less than this is left out.
        also: What adds to each line.
    """
    import structlog  # noqa: PLC0415 - as above

    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if text
        else structlog.processors.JSONRenderer()
    )
    global debugging, level
    debugging, level = log_level == "debug", log_level
    structlog.configure(
        processors=[
            *also,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(log_level),
        logger_factory=_Stderr,
        cache_logger_on_first_use=True,
    )
    # Libraries' own lines can quote what failed; `relay.contract.loop` says what they would.
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
