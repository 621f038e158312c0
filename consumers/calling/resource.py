"""What handlers share: resources, and in which order they are opened.

Nothing is opened here; ``consumers.starting.lifespan`` does that.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consumers.calling.parameters import RESERVED, is_generator, needs_of, yielded_type


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """Something that is opened once in a process and handed to whoever asks for it by name.

    Args:
        function: Gives it; called after the resource. One that yields is closed at the end by
            what stands after its yield.
    """

    function: Callable[..., Any]

    @property
    def name(self) -> str:
        """What parameters call it."""
        return function_name(self.function)


def function_name(function: object) -> str:
    """Give a function's own name."""
    return getattr(function, "__name__", type(function).__name__)


def types_of(resources: Sequence[Resource]) -> dict[str, Any]:
    """Give the names of resources, each with the type it is declared to be, if it says one."""
    return {
        each.name: yielded_type(each.function) for each in resources if each.name not in RESERVED
    }


def faults_of(resources: Sequence[Resource]) -> list[str]:
    """Find what is wrong with the resources, each in a sentence."""
    known = types_of(resources)
    faults: list[str] = []
    names: set[str] = set()
    for resource in resources:
        name = resource.name
        if not name.isidentifier() or name in RESERVED:
            faults.append(f"resource {name!r}: no parameter can ask for this name")
        if name in names:
            faults.append(f"resource {name!r} is declared twice: give one another name")
        names.add(name)
        if not _can_be_called(resource.function):
            faults.append(f"resource {name!r}: is no function")
            continue
        needs = needs_of(resource.function, known=known)
        faults += [f"resource {name!r}: {fault}" for fault in needs.faults]
    _, cycle = in_order(resources)
    if cycle:
        faults.append(f"resources need each other in a circle: {', '.join(sorted(cycle))}")
    return faults


def hook_faults(hooks: Sequence[Callable[..., Any]], known: Mapping[str, Any]) -> list[str]:
    """Find what is wrong with functions that run at the start or the end."""
    faults = []
    for hook in hooks:
        name = function_name(hook)
        if not _can_be_called(hook):
            faults.append(f"hook {name}: is no function")
            continue
        if is_generator(hook) or is_generator(inspect.unwrap(hook)):
            faults.append(f"{name}: has a yield, so make it a @worker.resource")
        faults += [f"{name}: {fault}" for fault in needs_of(hook, known=known).faults]
    return faults


def _can_be_called(function: object) -> bool:
    return callable(function)


def in_order(resources: Sequence[Resource]) -> tuple[list[Resource], set[str]]:
    """Order resources so that each comes after those it asks for; else as they were declared.

    Returns:
        The order, and the names of those that need each other in a circle.
    """
    known = types_of(resources)
    left = {each.name: each for each in resources}
    asked = {each.name: set(needs_of(each.function, known=known).resources) for each in resources}
    ordered: list[Resource] = []
    while left:
        ready = [name for name in left if not asked[name] & left.keys()]
        if not ready:
            return ordered, _in_circle(left, asked)
        ordered.append(left.pop(ready[0]))
    return ordered, set()


def _in_circle(left: Iterable[str], asked: Mapping[str, set[str]]) -> set[str]:
    """Leave out those that only wait for a circle, and are in none."""
    circle = set(left)
    while True:
        needed = {name for name in circle if any(name in asked[other] for other in circle)}
        if needed == circle:
            return circle
        circle = needed
