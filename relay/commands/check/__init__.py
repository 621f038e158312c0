"""``relay check``: what is wrong with configuration and store, and what to do about it."""

from collections.abc import Mapping
from typing import Annotated

import typer

from relay.commands.check import books, server
from relay.commands.check.configuration import check_configuration
from relay.commands.check.finding import Finding
from relay.commands.check.index import check_index
from relay.commands.options import AsJson, RedisUrl
from relay.commands.store import environment, gateway_settings, opened, store_settings
from relay.contract.config import FileSettings
from relay.contract.connect import UNKNOWN_OUTCOME, RedisError
from relay.contract.display import show, tell
from relay.contract.errors import ConfigurationFault
from relay.contract.explain import FAILED, explain
from relay.contract.loop import run
from relay.settings import EndpointSection

COLUMNS = ("state", "what", "found", "advice")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Also put missing tags, streams and configured groups back into the books.",
        ),
    ] = False,
    redis_url: RedisUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check configuration, Redis (version, persistence, memory, role), clocks and disk.

    Says too what the dedupe index will need at the expected rate.

    Ends with 1 if anything fails; a warning does not. With --json an array of objects with the
    keys state (ok, warn, fail or mended), what, found and advice.
    """
    environ = environment()
    findings = check_configuration(environ, redis_url)
    try:
        settings = store_settings(environ, redis_url)
    except ConfigurationFault:
        pass  # its faults stand among the findings already
    else:
        findings += run(_check_store(environ, settings, repair=repair))
    show([finding.row() for finding in findings], COLUMNS, as_json=as_json)
    failures = sum(finding.state == "fail" for finding in findings)
    if not as_json:
        tell(
            f"{failures} failed, {sum(finding.state == 'warn' for finding in findings)} to look at"
        )
    if failures:
        raise typer.Exit(FAILED)


async def _check_store(
    environ: Mapping[str, str], settings: FileSettings, *, repair: bool
) -> list[Finding]:
    findings: list[Finding] = []
    work = books.repair if repair else books.check_books
    try:
        async with opened(settings) as store:
            findings += await server.check_server(store)
            findings += await check_index(store, _endpoints(environ))
            findings += await work(store, environ)
    except (RedisError, *UNKNOWN_OUTCOME) as error:
        explanation = explain(error)
        said, _, advice = (explanation.message if explanation else str(error)).partition("\n")
        findings.append(Finding("fail", "Redis", said, advice))
    return findings


def _endpoints(environ: Mapping[str, str]) -> Mapping[str, EndpointSection]:
    """Give what is configured, or nothing where that is at fault, which is said elsewhere."""
    try:
        return gateway_settings(environ, None).endpoints
    except ConfigurationFault:
        return {}
