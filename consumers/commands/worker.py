"""``relay worker MODULE:NAME``: runs handlers."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from consumers.app import run_worker
from consumers.calling.running import add_running_event
from consumers.commands.options import RedisUrl
from consumers.processes.changes import Changes, roots_of
from consumers.processes.kept import Wanted, WorkerDidNotStart
from consumers.processes.parent import run_processes
from consumers.settings import Settings, load_settings
from consumers.starting.load import find_worker, split_target
from relay.contract.explain import WRONG_USAGE, explain
from relay.contract.logs import LogLevel, configure_logs
from relay.contract.loop import run
from relay.contract.standard import open_standard_streams
from relay.contract.surroundings import with_running_dev

# Whoever waits for a change of theirs to be tried waits no longer for the code before it.
RELOAD_GRACE_SECONDS = 2.0

Target = Annotated[
    str,
    typer.Argument(metavar="MODULE:NAME", help="Where the Worker is, for example handlers:worker."),
]


Processes = Annotated[
    int, typer.Option(min=1, max=256, help="How many processes handle events, one for each core.")
]
Reload = Annotated[
    bool,
    typer.Option(
        "--reload",
        help="For development: start anew when a .py file in this directory changes; running "
        "handlers get two seconds.",
    ),
]


AdminPort = Annotated[
    int | None,
    typer.Option(
        "--admin-port",
        metavar="PORT",
        min=0,
        max=65_535,
        help="Answer with /metrics, /livez and /readyz there, on 127.0.0.1; 0 takes a free port. "
        "Off unless given.",
    ),
]
Level = Annotated[
    LogLevel | None,
    typer.Option("--log-level", help="What is less than this is not logged; else info."),
]


def worker(
    target: Target,
    redis_url: RedisUrl = None,
    processes: Processes = 1,
    reload: Reload = False,
    admin_port: AdminPort = None,
    log_level: Level = None,
) -> None:
    """Run the handlers of a Worker until SIGTERM or Ctrl-C.

    The module is looked for in the current directory first. At the end running handlers are
    given time to finish, and what was not handled goes back to the other workers; a second
    SIGTERM or Ctrl-C ends them at once.
    """
    environ = with_running_dev(os.environ, Path())
    said = _said(redis_url, admin_port, log_level)
    settings = load_settings({**environ, **said})
    configure_logs(settings.log_format, log_level=settings.log_level, also=[add_running_event])
    if processes == 1 and not reload:
        run(run_worker(find_worker(target), settings))
        return
    module_name, _ = split_target(target)
    wanted = _wanted(target, settings, said, reload=reload)
    changes = Changes(roots_of(module_name)) if reload else None
    try:
        run(run_processes(wanted, processes, changes, settings.worker))
    except WorkerDidNotStart as error:
        if error.exit_code != WRONG_USAGE:
            raise
        # It has named the fault, and so would we.
        raise typer.Exit(WRONG_USAGE) from None


def _said(
    redis_url: str | None, admin_port: int | None, log_level: LogLevel | None
) -> dict[str, str]:
    """Give what options said as variables: it goes to other processes in the same form.

    An argument could be seen by everyone on the machine.
    """
    said = {
        "RELAY_REDIS__URL": redis_url,
        "RELAY_WORKER__ADMIN_PORT": admin_port,
        "RELAY_LOG_LEVEL": log_level,
    }
    return {name: str(value) for name, value in said.items() if value is not None}


def _wanted(target: str, settings: Settings, said: dict[str, str], *, reload: bool) -> Wanted:
    """Say what each process is to be; what options said goes to it by the environment."""
    grace_seconds = settings.worker.grace_seconds
    if reload:
        grace_seconds = min(grace_seconds, RELOAD_GRACE_SECONDS)
        said = {**said, "RELAY_WORKER__GRACE_SECONDS": str(grace_seconds)}
    return Wanted(target=target, environ={**os.environ, **said}, grace_seconds=grace_seconds)


def main() -> int:
    """Run one worker without the rest of the command line; for ``python -m consumers``."""
    open_standard_streams()
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        # Local variables in a traceback could hold a secret.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
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
