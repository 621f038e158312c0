"""Endpoints at a glance: which state is told of which book."""

from typing import Any

import pytest

from relay.commands.endpoints.glance import (
    LOADED_MS,
    SILENT_MS,
    Glance,
    State,
    details_of,
    row_of,
    sentence,
)
from relay.endpoints import EndpointSection
from relay.usage import EndpointUsage, Outcome, SecretUsage

NOW = 1_800_000_000_000
SECRETS = [{"env": "A"}]
USUAL = EndpointSection.model_validate({"provider": "github", "secrets": SECRETS})
TRYING = EndpointSection.model_validate({"provider": "github", "secrets": SECRETS, "dry_run": True})


def ago(ms: int, count: int = 1) -> Outcome:
    """Give what happened last so long ago."""
    return Outcome(count, NOW - ms - 1000, NOW - ms)


def glance(
    outcomes: dict[str, Outcome],
    *,
    section: EndpointSection | None = USUAL,
    loaded_ms: int | None = NOW - 1000,
    secrets: tuple[SecretUsage, ...] = (),
) -> Glance:
    """Give an endpoint with this book."""
    usage = EndpointUsage(loaded_ms=loaded_ms, outcomes=outcomes, secrets=secrets)
    return Glance(name="hub", section=section, usage=usage, types=["push"], now_ms=NOW)


MISMATCH = "signature_mismatch"
CASES: list[tuple[Glance, State]] = [
    (glance({"stored": ago(1)}, section=None), "not configured"),
    (glance({"stored": ago(1)}, loaded_ms=None), "not loaded"),
    (glance({"stored": ago(1)}, loaded_ms=NOW - LOADED_MS - 1), "not loaded"),
    (glance({"stored": ago(1)}, loaded_ms=NOW - LOADED_MS), "receiving"),
    (glance({}), "never heard of"),
    (glance({"method_not_allowed": ago(1)}), "never heard of"),
    (glance({"stored": ago(SILENT_MS + 1)}), "silent"),
    (glance({MISMATCH: ago(SILENT_MS + 1)}), "silent"),
    (glance({"stored": ago(SILENT_MS)}), "receiving"),
    (glance({"stored": ago(20), MISMATCH: ago(10)}), "refusing"),
    (glance({"stored": ago(10), MISMATCH: ago(20)}), "receiving"),
    (glance({"handshake": ago(10), MISMATCH: ago(20)}), "receiving"),
    (glance({"stored": ago(20), "method_not_allowed": ago(10)}), "receiving"),
    (
        glance({"stored": ago(10), f"dry_run:{MISMATCH}": ago(5)}, section=TRYING),
        "dry run",
    ),
    (glance({"body_too_large": ago(10)}, section=TRYING), "refusing"),
]


@pytest.mark.parametrize(("seen", "state"), CASES)
def test_the_first_state_that_is_so_is_told(seen: Glance, state: State) -> None:
    """And each has its sentence."""
    assert seen.state == state
    assert sentence(seen)


def test_a_row_says_what_happened_last() -> None:
    """Of refusals the last one counts, of secrets the one that proved something last."""
    secrets = (
        SecretUsage("env:OLD", "0" * 8, ago(500)),
        SecretUsage("env:NEW", "1" * 8, ago(100)),
    )
    outcomes = {
        "stored": ago(3000, 7),
        "duplicate": ago(2000, 2),
        "signature_missing": ago(900, 3),
        MISMATCH: ago(400, 4),
        f"dry_run:{MISMATCH}": ago(1),
    }
    row = row_of(glance(outcomes, secrets=secrets))

    assert row == {
        "endpoint": "hub",
        "provider": "github",
        "state": "refusing",
        "last_received": "2027-01-15T07:59:59.600Z",
        "last_stored": "2027-01-15T07:59:57.000Z",
        "stored": 7,
        "refused": 7,
        "last_refused": "2027-01-15T07:59:59.600Z",
        "reason": MISMATCH,
        "secret": "env:NEW",
    }


def test_the_details_say_what_keeps_events_out() -> None:
    """As it stands in the file, and the URL as far as it is known."""
    table: dict[str, Any] = {
        "provider": "twilio",
        "secrets": SECRETS,
        "public_url": "https://hooks.example.com/in",
        "accounts": ["AC1"],
        "filters": [{"pointer": "/own", "equals": True}, {"types": ["hub:a"], "then": "drop"}],
    }
    details = details_of(glance({}, section=EndpointSection.model_validate(table)))

    assert details["url"] == "https://hooks.example.com/in"
    assert details["types"] == ["push"]
    assert details["filters"] == [
        'accounts = ["AC1"]',
        '{ pointer = "/own", equals = true }',
        '{ types = ["hub:a"], then = "drop" }',
    ]


def test_the_url_says_where_the_secret_stands_and_not_what_it_is() -> None:
    """Where nothing but the URL can be chosen at the sender."""
    token = {"place": "query.knock"}
    table: dict[str, Any] = {"provider": "unipile-v1", "secrets": SECRETS, "token": token}

    details = details_of(glance({}, section=EndpointSection.model_validate(table)))

    assert str(details["url"]).endswith("?knock=<the secret>")
