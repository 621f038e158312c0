"""The options by which the commands about dead letters say which of them are meant."""

import inspect
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from consumers.operations.dead.books import Choice
from consumers.operations.select import BadSelection, Selection, in_order, since_of, until_of
from relay.contract.explain import WRONG_USAGE, CommandFailed

TIMES = "how long ago (2h, 7d), a time with its zone (2026-10-12T09:14:00Z), or a letter's id."

# What those are called that may be given several times.
SEVERAL = {"types": "type", "event_ids": "id", "letters": "letter"}


def _option(name: str, value: str, meaning: str) -> Any:  # noqa: ANN401 - typer's own type
    return typer.Option(f"--{name}", metavar=value, help=meaning)


Endpoint = Annotated[str | None, _option("endpoint", "NAME", "Only of this endpoint.")]
Group = Annotated[str | None, _option("group", "NAME", "Only of this group.")]
Types = Annotated[
    list[str] | None, _option("type", "TYPE", "Only of this type; * stands for any characters.")
]
Account = Annotated[str | None, _option("account", "ID", "Only of this account.")]
Reason = Annotated[str | None, _option("reason", "REASON", "Only set aside for this reason.")]
Error = Annotated[str | None, _option("error", "TEXT", "Only with this in the last error.")]
Since = Annotated[str | None, _option("since", "TIME", f"Set aside since: {TIMES}")]
Until = Annotated[str | None, _option("until", "TIME", "Set aside until, forms as above.")]
EventIds = Annotated[list[str] | None, _option("id", "ID", "Only events with this id.")]
Letters = Annotated[list[str] | None, _option("letter", "ID", "Only the letter with this id.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What was typed; each of them leaves out what it does not name."""

    endpoint: Endpoint = None
    group: Group = None
    types: Types = None
    account: Account = None
    reason: Reason = None
    error: Error = None
    since: Since = None
    until: Until = None
    event_ids: EventIds = None
    letters: Letters = None

    def choice(self, *, now_ms: int, limit: int | None = None) -> Choice:
        """Give what they mean.

        Args:
            now_ms: The time by the store's clock, ms since the epoch.
            limit: At most so many letters.

        Raises:
            CommandFailed: One of them cannot be understood.
        """
        try:
            selection = self._selection(now_ms)
        except BadSelection as error:
            raise CommandFailed(str(error), exit_code=WRONG_USAGE) from None
        return Choice(endpoint=self.endpoint, group=self.group, selection=selection, limit=limit)

    def words(self, *, until: str, since: str | None = None) -> str:
        """Write them as they are typed, with other bounds.

        Args:
            until: The last letter that is meant.
            since: The first one; where left out, as it was typed.
        """
        words: list[str] = []
        bounded = replace(self, until=until, since=since or self.since)
        for field in fields(self):
            value = getattr(bounded, field.name)
            option = SEVERAL.get(field.name, field.name)
            for one in [value] if isinstance(value, str) else value or []:
                words += [f"--{option}", one]
        return shlex.join(words)

    def _selection(self, now_ms: int) -> Selection:
        letters = [since_of(letter, now_ms) for letter in self.letters or []]
        found = Selection(
            types=tuple(self.types or ()),
            account=self.account,
            reason=self.reason,
            error=self.error,
            ids=frozenset([*letters, *(self.event_ids or [])]),
        )
        if letters and not self.event_ids:
            # So that nothing else is looked at.
            found = replace(
                found, since=min(letters, key=in_order), until=max(letters, key=in_order)
            )
        since = [found.since, *([since_of(self.since, now_ms)] if self.since else [])]
        until = [found.until, *([until_of(self.until, now_ms)] if self.until else [])]
        return replace(found, since=max(since, key=in_order), until=min(until, key=in_order))


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Filters`; it takes them together as ``filters``."""
    own = inspect.signature(command)
    others = [each for each in own.parameters.values() if each.name != "filters"]
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=_annotation(field.name),
        )
        for field in fields(Filters)
    ]

    @wraps(command)
    def run(**values: Any) -> None:  # noqa: ANN401 - whatever the command's options are
        filters = Filters(**{each.name: values.pop(each.name) for each in shared})
        command(filters=filters, **values)

    run.__signature__ = own.replace(parameters=[*shared, *others])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in [*shared, *others]}
    return run


def _annotation(name: str) -> Any:  # noqa: ANN401 - a form of typing's own
    return get_type_hints(Filters, include_extras=True)[name]
