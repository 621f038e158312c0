"""Looks at configuration and store, and gives what was found."""

from collections.abc import Mapping
from functools import partial

from relay.commands.check import books, server
from relay.commands.check.caps import check_caps
from relay.commands.check.cluster import check_servers
from relay.commands.check.configuration import check_configuration
from relay.commands.check.index import check_index
from relay.commands.check.secrets import check_secrets
from relay.commands.check.spool import check_spool
from relay.commands.store import gateway_settings, opened, store_settings
from relay.contract.config import FileSettings
from relay.contract.connect import UNKNOWN_OUTCOME, RedisError
from relay.contract.errors import ConfigurationFault
from relay.contract.explain import explain
from relay.contract.loop import run
from relay.contract.registry import WrongType
from relay.endpoints import EndpointSection
from relay.finding import Finding


def look(environ: Mapping[str, str], redis_url: str | None, *, repair: bool) -> list[Finding]:
    """Say what is right and what is wrong.

    Args:
        environ: From `environment`.
        redis_url: What ``--redis-url`` said, if anything.
        repair: Put back what is missing in the books.
    """
    findings = check_configuration(environ, redis_url) + check_spool(environ)
    try:
        settings = store_settings(environ, redis_url)
    except ConfigurationFault:
        return findings  # its faults stand among them already
    return findings + run(_check_store(environ, settings, repair=repair))


async def _check_store(
    environ: Mapping[str, str], settings: FileSettings, *, repair: bool
) -> list[Finding]:
    findings: list[Finding] = []
    work = books.repair if repair else books.check_books
    try:
        async with opened(settings) as store:
            ask = partial(server.check_server, replicas=_replicas(environ))
            findings += await check_servers(store, ask)
            findings += await check_index(store, _endpoints(environ))
            findings += await check_secrets(store, _endpoints(environ), environ)
            findings += await check_caps(store)
            findings += await work(store, environ)
    except WrongType as error:
        findings.append(books.wrong_key(error))
    except (RedisError, *UNKNOWN_OUTCOME) as error:
        explanation = explain(error)
        said, _, advice = (explanation.message if explanation else str(error)).partition("\n")
        findings.append(Finding("fail", "Redis", said, advice))
    return findings


def _replicas(environ: Mapping[str, str]) -> int:
    try:
        return gateway_settings(environ, None).replicas
    except ConfigurationFault:
        return 0


def _endpoints(environ: Mapping[str, str]) -> Mapping[str, EndpointSection]:
    """Give what is configured, or nothing where that is at fault, which is said elsewhere."""
    try:
        return gateway_settings(environ, None).endpoints
    except ConfigurationFault:
        return {}
