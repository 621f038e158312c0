"""How both programs log: one line per outcome, text for people and JSON for programs."""

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["auto", "text", "json"]


def configure_logs(log_format: LogFormat, *, debug: bool = False) -> None:
    """Send every log line to standard error.

    Args:
        log_format: ``auto`` is text on a terminal and JSON elsewhere.
        debug: Also what helps only while looking for a fault.
    """
    text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if text
        else structlog.processors.JSONRenderer()
    )
    level = logging.DEBUG if debug else logging.INFO
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries' own lines; asyncio's can hold a repr of what failed, so only its kind is shown.
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
