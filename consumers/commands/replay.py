"""``relay replay``: a past range of streams to one group again."""

from dataclasses import dataclass
from typing import Annotated

import typer
from redis.asyncio import Redis

from consumers.commands.confirm import confirm
from consumers.commands.options import AsJson, RedisUrl, opened
from consumers.commands.progress import shown
from consumers.commands.replayed import show_plan, show_result, waiting
from consumers.operations.replay import (
    Replayed,
    ReplayPlan,
    Wanted,
    continue_replay,
    plan_replay,
    start_replay,
)
from consumers.operations.select import FIRST_ID, LAST_ID, BadSelection, since_of, until_of
from relay.contract.display import warn
from relay.contract.explain import FAILED, WRONG_USAGE, CommandFailed
from relay.contract.keys import Keys
from relay.contract.loop import run

TIMES = "how long ago (90s, 2h, 7d), a time with its zone (2026-10-12T09:14:00Z), or an entry's id"
MOST_IDS = 1000

Group = Annotated[
    str | None, typer.Argument(metavar="GROUP", help="The group that handles the events again.")
]
Patterns = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATTERN", help="Streams, as endpoint:type; * for any characters."),
]
Since = Annotated[str | None, typer.Option("--since", help=f"From when on: {TIMES}.")]
Until = Annotated[str | None, typer.Option("--until", help="Until when, forms as above.")]
Ids = Annotated[
    list[str] | None, typer.Option("--id", help="Only the event or entry with this id; repeatable.")
]
Account = Annotated[str | None, typer.Option("--account", help="Only of this account.")]
Endpoint = Annotated[str | None, typer.Option("--endpoint", help="Only of this endpoint.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many events.")]
PerSecond = Annotated[
    float | None, typer.Option("--rate", min=0.01, help="At most so many events per second.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")]
Resume = Annotated[
    str | None, typer.Option("--resume", metavar="ID", help="Go on with a replay that was begun.")
]
Anew = Annotated[
    bool, typer.Option("--anew", help="Begin even where the same was begun and has not ended.")
]


def replay(
    *,
    group: Group = None,
    patterns: Patterns = None,
    since: Since = None,
    until: Until = None,
    event_ids: Ids = None,
    account: Account = None,
    endpoint: Endpoint = None,
    limit: Limit = None,
    rate: PerSecond = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    resume: Resume = None,
    anew: Anew = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give events of the past to one group again.

    No other group sees them. It says first what it would do. Interrupted at any moment, it goes on
    with --resume, and each event is given to the group once.
    """
    said = {"--since": since, "--until": until, "--account": account, "--endpoint": endpoint}
    asked = Asked(
        group=group or "",
        patterns=tuple(patterns or ()),
        ids=tuple(event_ids or ()),
        said=said,
        limit=limit,
    )
    how = How(rate=rate, dry_run=dry_run, yes=yes, resume=resume, anew=anew, as_json=as_json)
    _check(asked, how)
    if not run(_replay(redis_url, asked, how)):
        raise typer.Exit(FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was typed of what is meant.

    Args:
        group: The group; empty where none was named.
        patterns: Which streams.
        ids: Which events.
        said: What options said, by their names.
        limit: At most so many.
    """

    group: str
    patterns: tuple[str, ...]
    ids: tuple[str, ...]
    said: dict[str, str | None]
    limit: int | None

    @property
    def words(self) -> list[str]:
        """What names the replay: the same when the same is typed again."""
        said = {**self.said, "--limit": self.limit}
        options = [f"{name}={value}" for name, value in said.items() if value is not None]
        return [*sorted(self.patterns), *options, *sorted(f"--id={each}" for each in self.ids)]

    def wanted(self, now_ms: int) -> Wanted:
        """Say what it means now.

        Raises:
            CommandFailed: A time cannot be understood.
        """
        since, until = self.said["--since"], self.said["--until"]
        try:
            return Wanted(
                group=self.group,
                patterns=self.patterns or ("*:*",),
                endpoint=self.said["--endpoint"],
                account=self.said["--account"],
                ids=self.ids,
                since=FIRST_ID if since is None else since_of(since, now_ms),
                until=LAST_ID if until is None else until_of(until, now_ms),
                limit=self.limit,
            )
        except BadSelection as error:
            raise CommandFailed(str(error), exit_code=WRONG_USAGE) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What was typed of how it is to be done; see the options."""

    rate: float | None
    dry_run: bool
    yes: bool
    resume: str | None
    anew: bool
    as_json: bool


def _check(asked: Asked, how: How) -> None:
    narrowed = asked.group or asked.words
    if how.resume and (narrowed or how.anew or how.dry_run):
        raise CommandFailed(
            "--resume goes on with what was asked for then: only --rate goes with it.",
            exit_code=WRONG_USAGE,
        )
    if not how.resume and not asked.group:
        raise CommandFailed(
            "Which group? relay replay GROUP [PATTERN …]; see relay groups", exit_code=WRONG_USAGE
        )
    if len(asked.ids) > MOST_IDS:
        raise CommandFailed(f"At most {MOST_IDS} --id at once.", exit_code=WRONG_USAGE)


async def _replay(redis_url: str | None, asked: Asked, how: How) -> bool:
    """Do it; false where something was left undone."""
    async with opened(redis_url) as (redis, keys):
        if how.resume:
            return await _go_on(redis, keys, how.resume, how)
        seconds, microseconds = await redis.time()
        wanted = asked.wanted(1000 * seconds + microseconds // 1000)
        plan = await plan_replay(redis, keys, wanted)
        if how.dry_run or not plan.streams:
            show_plan(plan, as_json=how.as_json)
            return not plan.faults
        return await _begin(redis, keys, plan, asked, how)


async def _begin(redis: Redis, keys: Keys, plan: ReplayPlan, asked: Asked, how: How) -> bool:
    if not how.as_json:
        show_plan(plan, as_json=False)
    about = "" if plan.exact else "about "
    count = f"{about}{plan.entries} events" if plan.entries else "what will be found"
    confirm(f"Give {count} to {plan.wanted.group} again?", yes=how.yes)
    name = await start_replay(redis, keys, plan, said=asked.words or ["*"], anew=how.anew)
    # Programs too must know how to go on, and read standard output only.
    warn(f"If it is interrupted, go on with: relay replay --resume {name}")
    return await _go_on(redis, keys, name, how) and not plan.faults


async def _go_on(redis: Redis, keys: Keys, name: str, how: How) -> bool:
    result: Replayed = await continue_replay(
        redis,
        keys,
        name,
        per_second=how.rate,
        report=shown("replayed", as_json=how.as_json),
        waiting=waiting,
    )
    show_result(result, as_json=how.as_json)
    return not result.faults
