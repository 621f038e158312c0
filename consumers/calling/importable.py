"""Finds a function again in another process: by the name of its module, and its name in there."""

import importlib
from collections.abc import Callable
from functools import reduce
from typing import Any


def find_function(module: str, name: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Import a module and give what goes by a name in it.

    Args:
        module: The module's full name.
        name: The qualified name in it, as ``store`` or ``Store.message``.

    Raises:
        ImportError: There is no such module; importing it may raise anything else too.
        AttributeError: Nothing goes by that name in it.
    """
    return reduce(getattr, name.split("."), importlib.import_module(module))


def faults_of_isolated(function: Callable[..., Any]) -> list[str]:
    """Say why a function cannot run in a process of its own, if it cannot.

    Args:
        function: A handler's, after its module was imported.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if _is_found(function, module, name):
        return []
    fault = (
        'isolate="process" needs a function at the top of a module that another process can '
        f"import; {name or type(function).__name__} is not found in module {module}"
    )
    return [fault]


def _is_found(function: Callable[..., Any], module: str | None, name: str) -> bool:
    if not module or not name or module == "__main__":
        return False
    try:
        return find_function(module, name) is function
    except (ImportError, AttributeError):
        return False
