"""A user's function in, what it asks for out: resources by name, the payload by its type.

Everything is looked up once, at start; a run only calls.
"""

import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from consumers.calling.payload import is_payload

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_RESOURCE = object()
PAYLOADS = "a struct, model, dataclass or TypedDict"
# What is given by position, and what no resource can be called.
RESERVED = ("event", "events", "call_next")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a function is to be given.

    Args:
        resources: Names of the resources it asks for.
        payload_name: Its parameter for the payload, if it has one.
        payload_type: What that parameter's annotation names.
        faults: What nothing can be found for, each in a sentence.
    """

    resources: tuple[str, ...] = ()
    payload_name: str | None = None
    payload_type: Any = None
    faults: tuple[str, ...] = ()


def needs_of(
    function: Callable[..., Any],
    *,
    known: Mapping[str, Any],
    leading: Sequence[str] = (),
    takes_payload: bool = False,
) -> Needs:
    """Find out what a function asks for by its parameters.

    Args:
        function: The user's.
        known: The resources there are, each with the type it is declared to be.
        leading: What it is given by position, as ``("event",)``.
        takes_payload: Whether one parameter may be the payload.
    """
    parameters = parameters_of(function)
    if parameters is None:
        return Needs()
    if takes_payload and _begins_with_payload(function, parameters):
        return Needs(faults=(f"takes the payload first: {_wanted(leading)}",))
    rest, faults = _after_leading(parameters, leading, known)
    ours = [each for each in rest if each.name in RESERVED]
    faults += [_misplaced(each.name, leading, parameters) for each in ours if _is_needed(each)]
    resources: list[str] = []
    payloads: list[tuple[str, Any]] = []
    for parameter in (each for each in rest if each not in ours):
        try:
            source = _source_of(function, parameter, known, takes_payload=takes_payload)
        except ValueError as fault:
            faults.append(str(fault))
            continue
        if source is _RESOURCE:
            resources.append(parameter.name)
        elif source is not None:
            payloads.append((parameter.name, source))
    if len(payloads) > 1:
        names = " and ".join(repr(name) for name, _ in payloads)
        faults.append(f"{names} would both be the payload: only one parameter can be")
    name, kind = payloads[0] if payloads else (None, None)
    return Needs(tuple(resources), name, kind, tuple(faults))


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """List a function's parameters; none where it does not tell them, as some built-in ones."""
    try:
        return list(_signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def yielded_type(function: Callable[..., Any]) -> Any:  # noqa: ANN401 - an annotation is any value
    """Give the type that a resource is annotated to be, if that can be told."""
    inner = inspect.unwrap(function)
    try:
        hint = typing.get_type_hints(inner).get("return")
    except Exception:  # noqa: BLE001 - only a hint: one that cannot be resolved says nothing
        return None
    if is_generator(inner):
        return next(iter(typing.get_args(hint)), None)
    return hint


def is_generator(function: object) -> bool:
    """Tell whether a function has a yield, plain or async."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _after_leading(
    parameters: list[inspect.Parameter], leading: Sequence[str], known: Mapping[str, Any]
) -> tuple[list[inspect.Parameter], list[str]]:
    """Give the parameters after those that are given by position."""
    wanted = _wanted(leading)
    rest = [each for each in parameters if each.kind not in _VARIADIC]
    takes_any = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    for place in range(len(leading)):
        parameter = rest[place] if place < len(rest) else None
        if parameter is None or parameter.kind is parameter.KEYWORD_ONLY:
            return rest[place:], [] if takes_any else [f"takes too little: {wanted}"]
        if parameter.name in known:
            return [], [f"the resource {parameter.name!r} is in the wrong place: {wanted}"]
    return rest[len(leading) :], []


def _wanted(leading: Sequence[str]) -> str:
    return f"its first parameter{'s are' if len(leading) > 1 else ' is'} {', '.join(leading)}"


def _begins_with_payload(
    function: Callable[..., Any], parameters: Sequence[inspect.Parameter]
) -> bool:
    """Tell whether the payload stands where the event comes: it would be taken for it."""
    try:
        return is_payload(_annotation(function, parameters[0]))
    except Exception:  # noqa: BLE001 - what the event is annotated with need not be there
        return False


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty


def _misplaced(name: str, leading: Sequence[str], parameters: Sequence[inspect.Parameter]) -> str:
    """Say what is wrong with a parameter that has a name of ours, and is not where we give it."""
    if not leading:
        return f"nothing provides {name!r}: it is no part of a run"
    if parameters[0].name in {"self", "cls"}:
        return "is a method without its object: declare it as worker.on(…)(object.method)"
    return f"{name!r} is in the wrong place: {_wanted(leading)}"


def _source_of(
    function: Callable[..., Any],
    parameter: inspect.Parameter,
    known: Mapping[str, Any],
    *,
    takes_payload: bool,
) -> Any:  # noqa: ANN401 - a mark, a type, or nothing
    """Say what a parameter is given: a resource, or the payload as a type, or nothing.

    Raises:
        ValueError: It needs something, and there is nothing for it.
    """
    name = parameter.name
    source = _RESOURCE if name in known else None
    if source is None and takes_payload:
        source = _payload_type(function, parameter, known)
    if source is None and _is_needed(parameter):
        payload = f" or annotate it with a payload's type ({PAYLOADS})," if takes_payload else ""
        raise ValueError(
            f"nothing provides {name!r}: declare @worker.resource def {name}(),{payload} "
            "or give it a default"
        )
    if source is not None and parameter.kind is parameter.POSITIONAL_ONLY:
        raise ValueError(f"{name!r} can be given by position only: take its '/' away")
    return source


def _payload_type(
    function: Callable[..., Any], parameter: inspect.Parameter, known: Mapping[str, Any]
) -> Any:  # noqa: ANN401 - a type, or nothing
    try:
        kind = _annotation(function, parameter)
    except Exception as error:  # noqa: BLE001 - an annotation may raise anything
        raise ValueError(
            f"the annotation of {parameter.name!r} cannot be resolved: "
            f"{type(error).__name__}: {error}"
        ) from None
    if not is_payload(kind):
        return None
    for name, given in known.items():
        if given is kind:
            # Taken for the payload, it would send every event to the dead letters.
            raise ValueError(
                f"{parameter.name!r} is annotated with what the resource {name!r} gives: "
                f"call it {name!r}"
            )
    return kind


def _annotation(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:  # noqa: ANN401 - an annotation is any value
    """Give what a parameter's annotation names, where it is written as text too."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return None
    shim = SimpleNamespace(__annotations__={"it": annotation})
    return typing.get_type_hints(shim, globalns=_globals_of(function), include_extras=True)["it"]


def _globals_of(function: Callable[..., Any]) -> dict[str, Any]:
    found: Any = inspect.unwrap(function)
    while not hasattr(found, "__globals__"):
        inner = getattr(found, "func", None) or getattr(found, "__func__", None)
        if inner is None:
            inner = type(found).__call__
            if not hasattr(inner, "__globals__"):
                return {}
        found = inspect.unwrap(inner)
    return typing.cast("dict[str, Any]", found.__globals__)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    told = _told_by(function)
    how: dict[str, Any] = {"follow_wrapped": not inspect.isfunction(told)}
    if sys.version_info >= (3, 14):
        # There a name that exists for type checkers only would raise here, used or not.
        from annotationlib import Format  # noqa: PLC0415 - not there before

        how["annotation_format"] = Format.FORWARDREF
    return inspect.signature(told, **how)


def _told_by(function: Callable[..., Any]) -> Callable[..., Any]:
    """Find who says what a function is to be given, where decorators are around it.

    One that passes on whatever comes is asked past. One with parameters of its own gives what it
    wraps something else, and knows best what it takes itself.
    """
    if not inspect.isfunction(function):
        return function
    found = inspect.unwrap(function, stop=lambda each: not _passes_on(each))
    return typing.cast("Callable[..., Any]", found)


def _passes_on(function: Callable[..., Any]) -> bool:
    if not inspect.isfunction(function):
        return False
    return bool(function.__code__.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS))
