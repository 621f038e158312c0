"""What is said of a server that may lose or refuse what it has confirmed."""

from typing import Any

import pytest

from relay.judge import judge_bound, judge_fsync, judge_keeping, judge_policy, judge_replicas


def replicas(*lags: int, state: str = "online") -> dict[str, Any]:
    """Give what INFO says of replicas."""
    rows = {f"slave{n}": {"state": state, "lag": lag} for n, lag in enumerate(lags)}
    return {"role": "master", "connected_slaves": len(lags)} | rows


@pytest.mark.parametrize(
    ("info", "wanted", "state"),
    [
        (replicas(), 1, "fail"),
        (replicas(0), 1, "ok"),
        (replicas(0), 2, "fail"),
        (replicas(0, state="wait_bgsave"), 1, "fail"),
        (replicas(0, 60), 1, "ok"),
        (replicas(60, 60), 1, "warn"),
        (replicas(0), 0, "warn"),  # a failover would lose what it has not got
    ],
)
def test_replicas_that_must_confirm_are_counted(
    info: dict[str, Any], wanted: int, state: str
) -> None:
    """Only those that are in step count, and those not heard of for long are named."""
    found = judge_replicas(info, {"min-replicas-to-write": "0"}, wanted)

    assert found is not None
    assert found.state == state
    assert "min-replicas-to-write 0" in found.found
    assert found.advice or state == "ok"


def test_a_server_alone_has_no_replicas_to_judge() -> None:
    """Where none is wanted and none is there, there is nothing to say."""
    assert judge_replicas(replicas(), None, 0) is None


@pytest.mark.parametrize(
    ("config", "info", "state"),
    [
        ({"maxmemory-policy": "noeviction"}, None, "ok"),
        ({"maxmemory-policy": "allkeys-lru"}, None, "fail"),
        (None, {"maxmemory_policy": "volatile-ttl"}, "fail"),
        (None, {"maxmemory_policy": "noeviction"}, "ok"),
    ],
)
def test_a_policy_is_judged_by_whom_may_be_asked(
    config: dict[str, str] | None, info: dict[str, str] | None, state: str
) -> None:
    """INFO knows it where CONFIG is closed."""
    found = judge_policy(config, info)

    assert found is not None
    assert found.state == state
    assert found.advice.startswith("CONFIG SET maxmemory-policy noeviction") or state == "ok"


def test_what_nobody_may_ask_is_not_guessed() -> None:
    """Neither good nor bad is said of it, but that it is not known."""
    found = judge_keeping(None, None)

    assert judge_policy(None, None) is None
    assert judge_fsync(None, None) is None
    assert [finding.what for finding in found] == ["INFO", "CONFIG GET"]


@pytest.mark.parametrize(
    ("fsync", "state"), [("always", "ok"), ("everysec", "warn"), ("no", "warn")]
)
def test_a_log_that_is_synced_late_loses_what_was_confirmed(fsync: str, state: str) -> None:
    """The advice is the command, and the line for the file."""
    found = judge_fsync({"appendfsync": fsync}, {"aof_enabled": 1})

    assert found is not None
    assert found.state == state
    assert state == "ok" or found.advice == (
        "CONFIG SET appendfsync always (and appendfsync always in its file)"
    )


def test_memory_without_a_bound_is_told() -> None:
    """And one with a bound is not."""
    unbounded = judge_bound({"maxmemory": 0})

    assert unbounded is not None
    assert unbounded.advice.startswith("CONFIG SET maxmemory")
    assert judge_bound({"maxmemory": 100}) is None
