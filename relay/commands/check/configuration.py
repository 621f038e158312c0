"""Judges what the gateway would be configured with."""

from collections.abc import Mapping

from relay.commands.check.caps import judge_caps
from relay.commands.check.index import estimate_index
from relay.commands.check.secrets import judge_secrets
from relay.commands.check.senders import judge_senders
from relay.commands.store import gateway_settings
from relay.contract.config import unknown_variables
from relay.contract.errors import ConfigurationFault
from relay.finding import Finding
from relay.settings import Settings, build_endpoints


def check_configuration(environ: Mapping[str, str], redis_url: str | None) -> list[Finding]:
    """Read settings and secrets, and name every fault."""
    try:
        settings = gateway_settings(environ, redis_url)
        endpoints = build_endpoints(settings, environ)
    except ConfigurationFault as fault:
        return [
            Finding("fail", "configuration", sentence, "see docs/reference/configuration.md")
            for sentence in fault.faults
        ]
    findings = [
        Finding("warn", "configuration", f"{name} sets nothing", "look for a misspelling")
        for name in unknown_variables(Settings, environ)
    ]
    if endpoints:
        found = f"endpoints: {', '.join(sorted(endpoints))}"
        findings.append(Finding("ok", "configuration", found))
        findings += judge_senders(settings.endpoints)
        findings += judge_secrets(endpoints)
        findings += judge_caps(settings.stream_caps, settings.endpoints)
        return [*findings, *estimate_index(settings.endpoints)]
    advice = "set UNIPILE_WEBHOOK_SECRET, or write relay.toml"
    found = "no endpoint: every delivery gets 404"
    return [*findings, Finding("warn", "configuration", found, advice)]
