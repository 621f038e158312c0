"""How redriving and dropping go as commands: a plan, a question, the doing, and what came of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis

from consumers.commands.confirm import confirm
from consumers.commands.filters import Filters
from consumers.commands.letters import EMPTY, row
from consumers.commands.options import now_ms, opened
from consumers.commands.progress import shown
from consumers.operations.dead.books import Choice
from consumers.operations.dead.plan import Plan
from consumers.operations.dead.tally import Result
from consumers.operations.pace import Pace
from consumers.operations.select import Selection
from relay.contract.display import show, show_json, tell, warn
from relay.contract.keys import Keys
from relay.contract.logs import configure_logs
from relay.contract.printable import printable

PARTS = ("tag", "group", "type", "reason", "letters")
FIRST = ("letter", "group", "type", "id", "error")
LEFT = ("letter", "group", "id", "problem")
PROBLEMS = {
    "invalid_type": "the type is no valid one, so no stream can take it",
    "unknown_type": "no stream of its type is registered, so no worker would read it",
    "unreadable": "it is not in the form of an entry, so no handler could be given it",
    "too_many_fields": "it has more fields than one step can write",
    "wrong_key": "something that is no stream stands where it would go",
    "gone": "somebody else has moved or removed it meanwhile",
}


@dataclass(frozen=True, slots=True)
class Change:
    """Something that can be done to dead letters.

    Args:
        name: The command's.
        done: What they are afterwards.
        plan: Says what would be done.
        act: Does it.
    """

    name: str
    done: str
    plan: Callable[..., Awaitable[Plan]]
    act: Callable[..., Awaitable[Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How it is to be done.

    Args:
        dry_run: It is not.
        yes: Without a question.
        as_json: The output is one document.
        limit: At most so many letters.
        rate: At most so many per second.
        redis_url: What ``--redis-url`` said, if anything.
    """

    dry_run: bool
    yes: bool
    as_json: bool
    limit: int | None
    rate: float | None
    redis_url: str | None


async def change(kind: Change, filters: Filters, how: How) -> None:
    """Say what would be done, ask, do it, and say what was done.

    Raises:
        CommandFailed: Something typed cannot be understood, or nobody has agreed.
    """
    async with opened(how.redis_url) as (redis, keys):
        choice = filters.choice(now_ms=await now_ms(redis), limit=how.limit)
        report = shown("to be " + kind.done, as_json=how.as_json)
        plan = await kind.plan(redis, keys, choice, report=report)
        if not how.as_json:
            _show_plan(kind, plan)
        if how.dry_run or not plan.letters:
            _end(plan, None, how)
            return
        bounded = replace(choice.selection, until=str(plan.until))
        confirm(f"{kind.name.capitalize()} {plan.letters} letters?", yes=how.yes)
        if not how.as_json:
            warn(f"If this is interrupted, go on with: {_command(kind, filters, how, bounded)}")
        result = await _act(kind, redis, keys, replace(choice, selection=bounded), how)
    _end(plan, result, how)


async def _act(kind: Change, redis: Redis, keys: Keys, choice: Choice, how: How) -> Result:
    # What only looks logs nothing.
    configure_logs("auto")
    report = shown(kind.done, as_json=how.as_json)
    result = await kind.act(redis, keys, choice, pace=Pace(how.rate), report=report)
    if not how.as_json:
        tell(f"{result.done} {kind.done}.")
        _show_left(result)
    return result


def _command(kind: Change, filters: Filters, how: How, meant: Selection) -> str:
    """Write the command that goes on where this one stops; a password is not for the terminal.

    "2h" would mean another time by then, and leave out what has become older meanwhile.
    """
    words = filters.words(until=meant.until, since=meant.since if filters.since else None)
    rate = "" if how.rate is None else f" --rate {how.rate:g}"
    command = f"relay dead {kind.name} {words}{rate} --yes"
    if how.limit is None:
        return command
    return f"{command} --limit {how.limit} (less by what was {kind.done} until then)"


def _show_plan(kind: Change, plan: Plan) -> None:
    if plan.until is None:
        tell(EMPTY)
        return
    tell(f"{plan.letters} letters to be {kind.done}, set aside until {plan.until}.")
    if plan.letters:
        show(_parts(plan), PARTS, as_json=False)
        tell("The first of them:")
        show([row(letter) for letter in plan.first], FIRST, as_json=False)
    for tag, group, event_type in plan.unread:
        tell(
            f"{printable(group)} does not read {printable(event_type)} in {tag} now: what it is "
            "given back waits until its worker runs, and does not go after 30 days."
        )
    for problem, count in plan.left:
        tell(f"{count} are left as they are: {PROBLEMS[problem]}.")


def _show_left(result: Result) -> None:
    if result.named:
        tell("Left as they are:")
        show(_named(result), LEFT, as_json=False)


def _end(plan: Plan, result: Result | None, how: How) -> None:
    """Give programs one document of all."""
    if not how.as_json:
        return
    document: dict[str, Any] = {
        "until": plan.until,
        "letters": plan.letters,
        "parts": _parts(plan),
        "first": [row(letter) for letter in plan.first],
        "left": dict(plan.left),
        "unread": [list(place) for place in plan.unread],
        "done": 0 if result is None else result.done,
    }
    if result is not None:
        document |= {"left": dict(result.left), "named": _named(result)}
    show_json(document)


def _parts(plan: Plan) -> list[dict[str, object]]:
    return [
        {
            "tag": part.tag,
            "group": part.group,
            "type": part.event_type,
            "reason": part.reason,
            "letters": part.letters,
        }
        for part in plan.parts
    ]


def _named(result: Result) -> list[dict[str, object]]:
    rows: Sequence[tuple[dict[str, object], str]]
    rows = [(row(letter), PROBLEMS[problem]) for letter, problem in result.named]
    return [{**letter, "problem": problem} for letter, problem in rows]
