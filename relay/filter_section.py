"""``[[endpoints.<name>.filters]]`` in, rules out; whatever a rule cannot mean is a fault."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from relay.contract.config import PatternText, Section
from relay.contract.keys import is_event_type
from relay.contract.patterns import parse_pattern
from relay.rule import Rule, Scalar, comparables, parse_pointer

Item = TypeVar("Item")


def _check_value(value: object) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("JSON has no such number")
    if isinstance(value, str | int | float):
        return value
    raise ValueError("a text, a number, true or false; whether anything is there, exists asks")


def _check_pointer(text: str) -> str:
    parse_pointer(text)
    return text


def _check_type(name: str) -> str:
    if not is_event_type(name):
        raise ValueError(
            "a type of your own, for example message.own: at most 128 letters, digits and ._:/-, "
            "and neither unidentified nor relay.…, which are the relay's"
        )
    return name


def _check_some(items: tuple[Item, ...]) -> tuple[Item, ...]:
    # An empty list would fit anything, which whoever leaves one empty hardly means.
    if not items:
        raise ValueError("at least one, or leave the key out")
    return items


_Values = Annotated[
    tuple[Annotated[Scalar, PlainValidator(_check_value)], ...], AfterValidator(_check_some)
]


class FilterSection(Section):
    """``[[endpoints.<name>.filters]]``: one rule."""

    pointer: Annotated[str, AfterValidator(_check_pointer)] | None = None
    equals: Annotated[Scalar | None, PlainValidator(_check_value)] = None
    one_of: Annotated[_Values | None, Field(alias="in")] = None
    exists: Annotated[bool | None, Field(strict=True)] = None
    types: Annotated[tuple[PatternText, ...], AfterValidator(_check_some)] = ()
    accounts: Annotated[tuple[str, ...], AfterValidator(_check_some)] = ()
    then: Literal["drop", "divert"] = "drop"
    to: Annotated[str, AfterValidator(_check_type)] | None = None

    @model_validator(mode="after")
    def _asks_one_thing_of_one_place(self) -> Self:
        """Name what a rule lacks, or has too much of."""
        if self.pointer is None and not self.types and not self.accounts:
            raise ValueError("a rule needs at least one of pointer, types and accounts")
        asked = sum(each is not None for each in (self.equals, self.one_of, self.exists))
        if self.pointer is None and asked:
            raise ValueError('equals, in and exists need a pointer, for example "/payload/status"')
        if self.pointer is not None and asked != 1:
            raise ValueError("a pointer needs exactly one of equals, in and exists")
        return self

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        """Say where a diverted event goes, and nothing of where a dropped one would."""
        if (self.then == "divert") != (self.to is not None):
            raise ValueError(
                'then = "divert" and to go together: to = "message.own" is the type under which '
                "the event is stored"
            )
        return self

    @property
    def rule(self) -> Rule:
        """The rule that it describes."""
        values = (self.equals,) if self.equals is not None else self.one_of
        return Rule(
            pointer=None if self.pointer is None else parse_pointer(self.pointer),
            values=None if values is None else comparables(values),
            exists=self.exists is not False,
            types=tuple(parse_pattern(text) for text in self.types),
            accounts=frozenset(self.accounts),
            to=self.to,
        )


def build_filters(
    endpoint: str, sections: Sequence[FilterSection], faults: list[str]
) -> tuple[Rule, ...]:
    """Make an endpoint's rules.

    Args:
        endpoint: Its name.
        sections: Their tables, in order.
        faults: Takes a sentence for each pattern that can mean no event of the endpoint.
    """
    rules = tuple(section.rule for section in sections)
    faults += (
        f"endpoints.{endpoint}.filters[{number}].types: {pattern} means no event of this endpoint; "
        f"write {endpoint}:{pattern.event_type}"
        for number, rule in enumerate(rules)
        for pattern in rule.types
        if not pattern.means_endpoint(endpoint)
    )
    return rules
