"""``relay conformance``: what a receiver of webhooks accepts or refuses wrongly."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.commands.options import AsJson
from relay.commands.store import environment
from relay.contract.display import show
from relay.contract.loop import run

if TYPE_CHECKING:
    from relay.conformance.check import Check

Url = Annotated[
    str | None, typer.Option(help="The receiver's whole URL, to which its sender would post.")
]
SecretText = Annotated[
    str | None,
    typer.Option("--secret", help="The receiver's secret. Others on this machine can see it."),
]
SecretEnv = Annotated[
    str | None, typer.Option(help="The variable that holds it. [UNIPILE_WEBHOOK_SECRET]")
]
SecretFile = Annotated[Path | None, typer.Option(help="The file that holds it.")]
SecondText = Annotated[
    str | None, typer.Option("--second-secret", help="One that is accepted beside it.")
]
SecondEnv = Annotated[str | None, typer.Option(help="The variable that holds that one.")]
SecondFile = Annotated[Path | None, typer.Option(help="The file that holds that one.")]
Names = Annotated[list[str] | None, typer.Option("--check", help="Only this one; repeatable.")]
Listed = Annotated[bool, typer.Option("--list", help="Say what is checked, and send nothing.")]
Observe = Annotated[
    str | None,
    typer.Option(help="A command that prints what the receiver has stored, one event a line."),
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        metavar="URL",
        help="The store of a relay behind the URL: what it has stored is looked at there.",
    ),
]
Break = Annotated[
    str | None, typer.Option("--break", help="A command that takes its store away, for one check.")
]
Mend = Annotated[str | None, typer.Option("--mend", help="A command that gives it back.")]
Most = Annotated[int, typer.Option(min=4096, help="The longest body that it takes.")]
Tolerance = Annotated[int, typer.Option(min=60, help="How old a signature may be.")]
Patience = Annotated[float, typer.Option(min=0.1, help="How long its sender waits.")]
Slow = Annotated[float, typer.Option(min=0, help="How long a slow sender takes.")]
AtOnce = Annotated[int, typer.Option(min=1, max=1000, help="The most deliveries at once.")]
EventType = Annotated[str, typer.Option("--type", help="The type of the events.")]
Provider = Annotated[str, typer.Option(help="Whose signatures it verifies.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Take any certificate.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")]


def conformance(
    *,
    url: Url = None,
    secret: SecretText = None,
    secret_env: SecretEnv = None,
    secret_file: SecretFile = None,
    second_secret: SecondText = None,
    second_secret_env: SecondEnv = None,
    second_secret_file: SecondFile = None,
    provider: Provider = "unipile",
    names: Names = None,
    listed: Listed = False,
    event_type: EventType = "message.new",
    max_body_bytes: Most = 10 * 1024 * 1024,
    tolerance_seconds: Tolerance = 300,
    patience_seconds: Patience = 5.0,
    slow_seconds: Slow = 5.0,
    at_once: AtOnce = 1000,
    observe: Observe = None,
    redis_url: StoreUrl = None,
    break_command: Break = None,
    mend_command: Mend = None,
    insecure: Insecure = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Fire at any receiver of webhooks, and say what it gets wrong.

    It may take what it should refuse, or the other way round. The events are signed and so are real
    to whoever handles them: their ids begin with conformance-, and a run sends at most 4,000. Ends
    with 1 if a check failed or could not be judged. With --json an object: url, run, sent, verdicts
    (verdict: how many) and checks (objects with the keys check, verdict, holds, why, reason,
    findings).
    """
    # Imported once it is run: help, and what was typed wrongly, wait for nothing.
    from relay.commands.conformance import aim, firing  # noqa: PLC0415

    checks = aim.chosen(names or [])
    if listed:
        _list(checks, as_json=as_json)
        return
    wanted = aim.Wanted(
        url=url,
        secret=aim.Named("secret", secret, secret_env, secret_file),
        second=aim.Named("second-secret", second_secret, second_secret_env, second_secret_file),
        provider=provider,
        event_type=event_type,
        max_body_bytes=max_body_bytes,
        tolerance_seconds=tolerance_seconds,
        patience_seconds=patience_seconds,
        slow_seconds=slow_seconds,
        at_once=at_once,
        observe=observe,
        redis_url=redis_url,
        break_command=break_command,
        mend_command=mend_command,
        insecure=insecure,
    )
    target = aim.target_of(wanted, environment())
    firing.confirm(target, wanted.url or "", yes=yes)
    report = run(firing.fire(target, checks, wanted))
    firing.tell_of(report, checks, target, wanted, as_json=as_json)


def _list(checks: "list[Check]", *, as_json: bool) -> None:
    rows = [{"check": check.name, "holds": check.holds, "why": check.why} for check in checks]
    show(rows, ("check", "holds"), as_json=as_json)
