"""Commands that are imported when they are asked for, so that each costs only its own imports."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand

from relay.contract.importing import importing


def add_later(app: typer.Typer, commands: Mapping[str, tuple[str, str]]) -> None:
    """Add commands that stand for others until those are needed.

    Args:
        app: Where to.
        commands: By name: ``module:name`` of the other's function, or of a `typer.Typer` with
            commands of its own; and what the list of commands says of it. Everything else is the
            other's.
    """
    for name, (target, summary) in commands.items():
        app.command(name, cls=_later(target), help=summary)(_nothing)


def _later(target: str) -> type[TyperCommand]:
    class Later(TyperCommand):
        """Stands for a command."""

        @property
        def real(self) -> Any:  # noqa: ANN401 - typer's own copy of click has no public types
            """The command itself; importing it is what was put off."""
            return _real(target, str(self.name))

        def make_context(
            self,
            info_name: str | None,
            args: list[str],
            parent: Any = None,  # noqa: ANN401 - click has no public types here
            **extra: Any,  # noqa: ANN401 - passed on
        ) -> Any:  # noqa: ANN401 - as above
            """Begin to run the command itself, which the context belongs to from then on."""
            return self.real.make_context(info_name, args, parent, **extra)

    return Later


def _nothing() -> None:
    """Stand where typer wants a function of a command; it is never called."""


# Building a group of many commands takes as long as running one of them.
@cache
def _real(target: str, name: str) -> Any:  # noqa: ANN401 - as above
    module, _, attribute = target.partition(":")
    with importing():
        found = getattr(import_module(module), attribute)
    # As the whole command line: help quotes what was typed, which may hold brackets.
    own = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        own.add_typer(found, name=name)
    else:
        own.command(name)(found)
    return typer.main.get_group(own).commands[name]
