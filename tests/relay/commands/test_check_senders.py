"""``relay check`` says what a sender will ask for, where an endpoint does not have it."""

import json
from typing import Any

import pytest

from relay.commands.check.configuration import check_configuration

SECRET = {"secrets": [{"env": "SECRET"}]}


def warnings_of(provider: str, **table: Any) -> list[str]:
    """Check an endpoint of a preset; give what is warned of."""
    endpoints = {"mine": {"provider": provider, **table}}
    environ = {"SECRET": "secret", "RELAY_ENDPOINTS": json.dumps(endpoints)}
    findings = check_configuration(environ, None)
    assert [finding.found for finding in findings if finding.state == "fail"] == []
    return [finding.found for finding in findings if finding.state == "warn"]


@pytest.mark.parametrize(
    ("provider", "table", "words"),
    [
        ("meta", SECRET, "without verify_token"),
        ("cloudevents", SECRET, "without origins"),
        ("notion", {}, "there is no file for it"),
        ("asana", {}, "there is no file for it"),
    ],
)
def test_what_a_sender_will_ask_for_is_named(
    provider: str, table: dict[str, Any], words: str
) -> None:
    """The gateway starts without it, and the sender's set-up would fail."""
    (found,) = warnings_of(provider, **table)

    assert found.startswith("endpoints.mine: ")
    assert words in found


@pytest.mark.parametrize(
    ("provider", "table"),
    [
        ("meta", SECRET | {"verify_token": {"env": "SECRET"}}),
        ("cloudevents", SECRET | {"origins": ["eventgrid.azure.net"]}),
        ("notion", {"secrets": [{"file": "/nowhere/notion.secret"}]}),
        ("github", SECRET),
    ],
)
def test_who_has_it_hears_nothing(provider: str, table: dict[str, Any]) -> None:
    """Nor does who needs none."""
    assert warnings_of(provider, **table) == []
