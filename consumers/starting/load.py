"""``module:name`` in, a `Worker` out: imports what a user wrote.

Whatever is wrong with it becomes one sentence for the person who typed it. Nothing is run but
the module itself.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

from consumers.starting.blame import told
from consumers.worker import Worker
from relay.contract.errors import ConfigurationFault

DEFAULT_NAME = "worker"


def find_worker(target: str) -> Worker:
    """Import a module and give the `Worker` in it.

    Args:
        target: ``module:name``; the name may be left out where it is ``worker``.

    Raises:
        ConfigurationFault: There is no such module, or no Worker of that name in it.
    """
    module_name, name = split_target(target)
    sys.path.insert(0, str(Path()))
    module = _import(target, module_name)
    found = getattr(module, name, None)
    if not isinstance(found, Worker):
        raise ConfigurationFault([_no_worker(target, module, name, found)])
    return found


def split_target(target: str) -> tuple[str, str]:
    """Give the module and the name that a target means, without looking for them.

    Raises:
        ConfigurationFault: It is not in the form ``module:name``.
    """
    module_name, _, name = target.partition(":")
    if "/" in module_name or "\\" in module_name or module_name.endswith(".py"):
        raise ConfigurationFault(
            [f"{target}: that is a file; write its module: {_dotted(module_name)}:NAME"]
        )
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise ConfigurationFault([f"{target!r}: write MODULE:NAME, for example handlers:worker"])
    return module_name, name or DEFAULT_NAME


def _dotted(path: str) -> str:
    parts = path.removesuffix(".py").replace("\\", "/").split("/")
    return ".".join(part for part in parts if part not in {"", "."})


def _import(target: str, module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            # The module is there, and imports one that is not.
            raise _broken(target, error) from None
        raise ConfigurationFault(
            [f"{target}: there is no module {module_name!r} here; start in the directory it is in"]
        ) from None
    # A module that ends the program while it is imported would end it without a word.
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's module may raise anything
        raise _broken(target, error) from None


def _no_worker(target: str, module: ModuleType, name: str, found: object) -> str:
    kind = "nothing" if found is None else type(found).__name__
    workers = [known for known, value in vars(module).items() if isinstance(value, Worker)]
    others = f"; there is {', '.join(workers)}" if workers else ""
    return f"{target}: {name!r} in {module.__name__} is {kind}, not a consumers.Worker{others}"


def _broken(target: str, error: BaseException) -> ConfigurationFault:
    return ConfigurationFault([f"{target}: importing it failed: {told(error)}"])
