"""``relay worker MODULE:NAME``: runs handlers."""

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

import consumers
import relay
from consumers.app import load_settings, run_worker
from consumers.commands.options import RedisUrl, options_of
from consumers.worker import Worker
from relay.contract.errors import ConfigurationFault
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


def find_worker(target: str) -> Worker:
    """Import a module and give the `Worker` in it.

    Args:
        target: ``module:name``; the name may be left out where it is ``worker``.

    Raises:
        ConfigurationFault: There is no such module, or no Worker of that name in it.
    """
    module_name, _, name = target.partition(":")
    name = name or "worker"
    if not module_name or module_name.startswith("."):
        raise ConfigurationFault([f"{target!r}: write MODULE:NAME, for example handlers:worker"])
    sys.path.insert(0, str(Path()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            # The module is there, and imports one that is not.
            raise _broken(target, error) from None
        raise ConfigurationFault(
            [f"{target}: there is no module {module_name!r} here; start in the directory it is in"]
        ) from None
    except Exception as error:  # noqa: BLE001 - a user's module may raise anything
        raise _broken(target, error) from None
    found = getattr(module, name, None)
    if not isinstance(found, Worker):
        kind = "nothing" if found is None else type(found).__name__
        raise ConfigurationFault(
            [f"{target}: {name!r} in {module_name} is {kind}, not a consumers.Worker"]
        )
    return found


def _broken(target: str, error: Exception) -> ConfigurationFault:
    """Say what is wrong with a user's module, and where in it."""
    ours = (str(Path(consumers.__file__).parent), str(Path(relay.__file__).parent))
    lines = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename[0] != "<" and not frame.filename.startswith(ours)
    ]
    where = f" ({lines[-1]})" if lines else ""
    return ConfigurationFault(
        [f"{target}: importing it failed: {type(error).__name__}: {error}{where}"]
    )


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
