"""A worker and stand-ins in, the same worker out with them in the place of its resources."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from consumers.calling.parameters import needs_of
from consumers.calling.resource import Resource, types_of
from consumers.worker import Worker


def with_stand_ins(worker: Worker, stand_ins: Mapping[str, Any]) -> Worker:
    """Replace resources by values.

    What only a replaced resource asked for is not opened either: it may need a network.

    Args:
        worker: Stays as it is.
        stand_ins: By the resources' names.

    Raises:
        ValueError: A name is none of the worker's resources.
    """
    unknown = stand_ins.keys() - {each.name for each in worker.resources}
    if unknown:
        there = ", ".join(sorted(each.name for each in worker.resources)) or "none"
        raise ValueError(f"no resource is called {_listed(unknown)}; there are: {there}")
    if not stand_ins:
        return worker
    kept = [each for each in worker.resources if each.name not in stand_ins]
    orphans = _asked_by(worker, worker.resources) - _asked_by(worker, kept)
    kept = [each for each in kept if each.name not in orphans]
    given = [Resource(_giving(name, value)) for name, value in stand_ins.items()]
    return replace(worker, resources=[*kept, *given])


def only_for(worker: Worker, functions: Iterable[Callable[..., Any]]) -> Worker:
    """Leave out the resources that some functions do not ask for, and every hook."""
    by_name = {each.name: each for each in worker.resources}
    wanted: set[str] = set()
    left = _names(worker, functions)
    while left:
        wanted |= left
        left = _names(worker, [by_name[name].function for name in left]) - wanted
    resources = [each for each in worker.resources if each.name in wanted]
    return replace(worker, resources=resources, startup_hooks=[], shutdown_hooks=[])


def _asked_by(worker: Worker, resources: Iterable[Resource]) -> set[str]:
    """Name what is asked for by these resources or by anything that is no resource."""
    around = [*worker.startup_hooks, *worker.shutdown_hooks, *worker.middlewares]
    for handler in worker.handlers:
        around += [handler.function, *handler.middleware]
    return _names(worker, [*around, *(each.function for each in resources)])


def _names(worker: Worker, functions: Iterable[Callable[..., Any]]) -> set[str]:
    known = types_of(worker.resources)
    return {
        name
        for function in functions
        for name in needs_of(function, known=known, leading=()).resources
    }


def _giving(name: str, value: Any) -> Callable[[], Any]:  # noqa: ANN401 - whatever stands in
    async def give() -> Any:  # noqa: ANN401 - whatever stands in
        return value

    give.__name__ = name
    return give


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
