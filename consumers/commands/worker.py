"""``relay worker MODULE:NAME``: runs handlers."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from consumers.app import load_settings, run_worker
from consumers.commands.options import RedisUrl, options_of
from consumers.load import find_worker
from relay.contract.explain import explain
from relay.contract.logs import configure_logs
from relay.contract.loop import run
from relay.contract.surroundings import with_running_dev

Target = Annotated[
    str,
    typer.Argument(metavar="MODULE:NAME", help="Where the Worker is, for example handlers:worker."),
]


def worker(target: Target, redis_url: RedisUrl = None) -> None:
    """Run the handlers of a Worker until SIGTERM or Ctrl-C.

    The module is looked for in the current directory first. At the end running handlers are
    given time to finish, and what was not handled goes back to the other workers.
    """
    environ = with_running_dev(os.environ, Path())
    settings = load_settings(environ, **options_of(redis_url))
    configure_logs(settings.log_format)
    run(run_worker(find_worker(target), settings))


def main() -> int:
    """Run one worker without the rest of the command line; for ``python -m consumers``."""
    app = typer.Typer(add_completion=False)
    app.command()(worker)
    try:
        app()
    except SystemExit as end:
        return int(end.code or 0)
    except Exception as error:
        explanation = explain(error)
        if explanation is None:
            raise
        print(f"consumers: {explanation.message}", file=sys.stderr)
        return explanation.exit_code
    return 0
