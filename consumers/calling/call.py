"""Joins a handler's function with what it asks for, so that a run needs the event only."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from consumers.calling.parameters import Needs, needs_of
from consumers.calling.payload import decoder
from consumers.event import Event


def bound(
    function: Callable[..., Any], payload_at: str | None, resources: Mapping[str, Any]
) -> Callable[[Event], Any]:
    """Make of a handler's function one that takes the event only.

    Args:
        function: The user's, without faults.
        payload_at: Which part of the body its payload is, as a JSON pointer; none for all.
        resources: What is open, by name.

    Returns:
        The function itself where it asks for nothing else. Else one that raises
        `consumers.calling.payload.InvalidPayload` for a body that does not fit.
    """
    needs = _needs_of(function, dict.fromkeys(resources))
    values = {name: resources[name] for name in needs.resources}
    name = needs.payload_name
    if name is None:
        return partial(function, **values) if values else function
    decode = decoder(needs.payload_type, payload_at)

    def call(event: Event) -> Any:  # noqa: ANN401 - whatever the handler returns
        return function(event, **{name: decode(event)}, **values)

    return call


def bound_batch(
    function: Callable[..., Any], resources: Mapping[str, Any]
) -> Callable[[list[Event]], Any]:
    """Make of a batch handler's function one that takes the events only.

    Args:
        function: The user's, without faults.
        resources: What is open, by name.
    """
    needs = _batch_needs_of(function, dict.fromkeys(resources))
    values = {name: resources[name] for name in needs.resources}
    return partial(function, **values) if values else function


def batch_call_faults(function: Callable[..., Any], known: Mapping[str, Any]) -> list[str]:
    """Find what a batch handler asks for and cannot be given, each in a sentence.

    Args:
        function: The user's.
        known: The resources there are, each with the type it is declared to be.
    """
    return list(_batch_needs_of(function, known).faults)


def isolated_call_faults(function: Callable[..., Any], known: Mapping[str, Any]) -> list[str]:
    """Find what a handler asks for that cannot be handed to another process.

    Args:
        function: The user's.
        known: The resources there are, each with the type it is declared to be.
    """
    return [
        f'isolate="process" hands over the event only, and no resource: {name!r} stays here'
        for name in _needs_of(function, known).resources
    ]


def call_faults(
    function: Callable[..., Any], payload_at: str | None, known: Mapping[str, Any]
) -> list[str]:
    """Find what a handler asks for and cannot be given, each in a sentence.

    Args:
        function: The user's.
        payload_at: Which part of the body its payload is, as a JSON pointer; none for all.
        known: The resources there are, each with the type it is declared to be.
    """
    needs = _needs_of(function, known)
    faults = list(needs.faults)
    if needs.payload_name is None:
        if payload_at and not faults:
            faults.append("payload_at names a part of the body, and no parameter takes it")
        return faults
    try:
        decoder(needs.payload_type, payload_at)
    except ValueError as error:
        faults.append(f"the payload {needs.payload_name!r} cannot be decoded: {error}")
    return faults


def _needs_of(function: Callable[..., Any], known: Mapping[str, Any]) -> Needs:
    return needs_of(function, known=known, leading=("event",), takes_payload=True)


def _batch_needs_of(function: Callable[..., Any], known: Mapping[str, Any]) -> Needs:
    return needs_of(function, known=known, leading=("events",))
