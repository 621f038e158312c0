"""``relay secrets rotate``: replaces an endpoint's secret, and refuses no delivery over it."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from relay.commands.options import AsJson, RedisUrl
from relay.commands.secrets.doubts import against_finishing, against_going_back
from relay.commands.secrets.known import (
    EndpointSettings,
    endpoint_settings,
    read_known,
    read_usages,
    section_of,
)
from relay.commands.secrets.steps import (
    Rotation,
    Said,
    begin,
    end_by_itself,
    finish_now,
    go_back,
    stand,
)
from relay.commands.secrets.take import take_new
from relay.commands.store import environment
from relay.contract.display import show_json, tell
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.loop import run
from relay.usage import EndpointUsage

# Most senders that sign once try again for an hour with what they have signed.
RETRY_SECONDS = 3600
NOT_UNDER_WAY = Said("nothing", ["It has no two secrets, so no rotation is under way."])
_SPAN = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


EndpointName = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Whose secret.")]
Generate = Annotated[
    bool, typer.Option("--generate", help="Make it here, for senders that take any.")
]
FromFile = Annotated[
    Path | None,
    typer.Option("--from-file", metavar="PATH", help="Read it from there.", show_default=False),
]
Finish = Annotated[
    bool, typer.Option("--finish", help="Take the old one out: only the new one counts.")
]
Back = Annotated[
    bool, typer.Option("--back", help="Take the new one out: only the old one counts.")
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Have the old one count until then: 2h, 7d, or 2026-12-01T08:00:00Z.",
        show_default=False,
    ),
]
RetrySeconds = Annotated[int, typer.Option(min=0, help="For how long its sender tries again.")]
Yes = Annotated[bool, typer.Option("--yes", help="Also where deliveries may be refused.")]


def rotate(
    endpoint: EndpointName,
    *,
    generate: Generate = False,
    from_file: FromFile = None,
    finish: Finish = False,
    back: Back = False,
    until: Until = None,
    retry_seconds: RetrySeconds = RETRY_SECONDS,
    yes: Yes = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Replace the secret of an endpoint: first both count, then the new one alone.

    The first time it takes the new secret (typed, from standard input, from a file or made here)
    and has it count beside the old one, in relay.toml. After that it says where the rotation
    stands, until --finish or --back ends it. Run it where the gateway's relay.toml is, as the user
    that the gateway runs as. With --json an object with the keys endpoint, did (begun, standing,
    finished, taken_back, bounded or nothing) and says (a list of sentences).
    """
    ends = [finish, back, until is not None]
    if sum(ends) > 1 or (any(ends) and (generate or from_file)):
        raise CommandFailed(
            "One at a time: a new secret, --finish, --back or --until.", exit_code=WRONG_USAGE
        )
    settings = endpoint_settings(redis_url)
    environ = environment()
    section = section_of(settings, endpoint)
    rotation = Rotation(endpoint, section, read_known(section, environ), environ)
    is_under_way = len(rotation.knowns) > 1
    if is_under_way or any(ends):
        end = _End(
            finish=finish,
            back=back,
            until=None if until is None else _moment(until),
            look=None if yes else partial(_look, settings, endpoint),
            retry_ms=1000 * retry_seconds,
        )
        said = _go_on(rotation, end) if is_under_way else NOT_UNDER_WAY
    else:
        take = partial(
            take_new, section.kind, rotation.knowns, generate=generate, from_file=from_file
        )
        said = begin(rotation, take)
    _report(rotation, said, as_json=as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How a rotation that is under way is to go on.

    Args:
        finish: Without the old one.
        back: Without the new one.
        until: With the old one until then only.
        look: Reads the endpoint's book; none where what it says would change nothing.
        retry_ms: For how long senders try again.
    """

    finish: bool
    back: bool
    until: datetime | None
    look: Callable[[], EndpointUsage] | None
    retry_ms: int


def _go_on(rotation: Rotation, end: _End) -> Said:
    if end.until is not None:
        return end_by_itself(rotation, end.until)
    if end.finish:
        _refuse(against_finishing, rotation, end)
        return finish_now(rotation)
    if end.back:
        _refuse(against_going_back, rotation, end)
        return go_back(rotation, now_ms=_now_ms())
    usage = EndpointUsage() if end.look is None else end.look()
    return stand(rotation, usage, now_ms=_now_ms(), retry_ms=end.retry_ms)


def _refuse(against: Callable[..., list[str]], rotation: Rotation, end: _End) -> None:
    if end.look is None:
        return
    doubts = against(rotation.knowns, end.look(), now_ms=_now_ms(), retry_ms=end.retry_ms)
    if doubts:
        raise CommandFailed(
            "\n".join(
                [*doubts, "Nothing was changed, since deliveries may be refused; --yes does it."]
            )
        )


def _look(settings: EndpointSettings, endpoint: str) -> EndpointUsage:
    return run(read_usages(settings, [endpoint]))[endpoint]


def _moment(text: str) -> datetime:
    """Read a time to come."""
    span = _SPAN.fullmatch(text)
    now = datetime.now(UTC)
    try:
        if span:
            at = now + timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
            at = at.replace(microsecond=0)
        else:
            at = datetime.fromisoformat(text)
            # Fractions of a minute between zones are not for TOML, nor the year 10000.
            at = at if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        at = now.replace(tzinfo=None)
    if at.tzinfo is None:
        raise CommandFailed(
            "--until takes a span of time (90m, 2h, 7d) or a time with its zone "
            "(2026-12-01T08:00:00Z).",
            exit_code=WRONG_USAGE,
        )
    if at <= now:
        raise CommandFailed(
            "--until is over already; --finish takes the old one out.", exit_code=WRONG_USAGE
        )
    return at


def _report(rotation: Rotation, said: Said, *, as_json: bool) -> None:
    if as_json:
        show_json({"endpoint": rotation.endpoint, "did": said.did, "says": said.says})
        return
    for sentence in said.says:
        tell(sentence)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
