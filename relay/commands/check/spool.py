"""Judges the spool, where one is configured: its place, and what lies in it."""

from collections.abc import Mapping

from relay.commands.store import gateway_settings
from relay.contract.errors import ConfigurationFault
from relay.contract.printable import printable
from relay.finding import Finding
from relay.settings import SpoolSection
from relay.spool.directory import Directory
from relay.spool.place import judge_place

MIB = 1024 * 1024
ADVICE = "see docs/how-to/spool.md"


def check_spool(environ: Mapping[str, str]) -> list[Finding]:
    """Say whether events could be kept there, and whether any wait."""
    try:
        section = gateway_settings(environ, None).spool
    except ConfigurationFault:  # named among the findings already
        return []
    if section.directory is None:
        return []
    directory = Directory(section.directory)
    try:
        directory.check()
        content = _judge_content(directory, section)
    except ConfigurationFault as fault:
        return [Finding("fail", "spool", printable(fault.faults[0]), ADVICE)]
    doubts = [
        Finding("warn", "spool", printable(doubt.found), doubt.advice)
        for doubt in judge_place(directory, section.max_bytes)
    ]
    return [*doubts, *content]


def _judge_content(directory: Directory, section: SpoolSection) -> list[Finding]:
    # SQLite is in no need of being there where there is no spool.
    from relay.spool.status import look  # noqa: PLC0415

    try:
        files = look(directory)
    except FileNotFoundError:
        files = []  # the gateway makes it
    except OSError:
        found = f"{directory.path} cannot be read by this user"
        return [Finding("fail", "spool", printable(found), ADVICE)]
    findings = [
        Finding("fail", "spool", f"{printable(file.name)} cannot be read", ADVICE)
        for file in files
        if file.state == "unreadable"
    ]
    orphaned = sum(file.events for file in files if file.state == "orphan")
    if orphaned:
        found = f"{orphaned} events wait in files that no process holds"
        findings.append(
            Finding("warn", "spool", found, "start the gateway, or run `relay spool drain`")
        )
    waiting = sum(file.events for file in files)
    found = f"{waiting} events wait, up to {section.max_bytes // MIB} MiB may"
    return findings or [Finding("ok", "spool", found)]
