"""Each fault of Unipile's, at each step of each command: one line, and nothing is half done."""

from pathlib import Path

import pytest

from relay.unipile.stand_in import Fault, StandIn
from tests.relay.commands.unipile.asked import (
    HOOK,
    OLD,
    Ask,
    ask,
    configured,
    said_of,
    secrets_of,
    state_of,
    unipile,
)

__all__ = ["ask", "configured", "unipile"]

FAULTS: list[Fault | str | int] = [
    401,
    403,
    404,
    Fault("status", 429, retry_after="60"),
    500,
    "time-out",
    "cut",
    "half-page",
    "broken-json",
    "wrong-shape",
]
LOST = [
    Fault("status", 500, done=True),
    Fault("cut", done=True),
    Fault("half-page"),
    Fault("broken-json"),
    Fault("wrong-shape"),
    Fault("time-out", done=True),
]


def commands(endpoint_id: str) -> dict[str, list[str]]:
    """Give a command for each method that changes something."""
    return {
        "POST": ["create", "--url", f"{HOOK}/2/unipile"],
        "PATCH": ["update", endpoint_id, "--add-account", "acc_2"],
        "DELETE": ["delete", endpoint_id, "--yes"],
    }


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_before_anything_is_done(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path, fault: Fault
) -> None:
    """Looking and changing commands alike: one line on standard error, exit code 1."""
    there = unipile.add_endpoint(HOOK, ["message.new"], ["acc_1"])
    before = state_of(unipile, tmp_path)
    asked = [["list"], *commands(there.id).values()]
    # All of them go the same way, and this one takes its time.
    for words in asked[:1] if str(fault) == "time-out" else asked:
        unipile.clear_faults()
        unipile.fail_next("GET", "*", fault, times=99)
        done = ask(*words)

        assert done.exit_code == 1, words
        assert done.stdout == ""
        assert done.stderr.startswith("relay: Unipile could not ")
        assert done.stderr.count("\n") == 1
        assert state_of(unipile, tmp_path) == before


@pytest.mark.parametrize("fault", [FAULTS[1], FAULTS[3], FAULTS[4]], ids=str)
def test_a_fault_instead_of_what_was_asked(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path, fault: Fault
) -> None:
    """Nothing was done, so nothing is kept; and the same again works."""
    there = unipile.add_endpoint(HOOK, ["message.new"], ["acc_1"])
    before = state_of(unipile, tmp_path)
    for method, words in commands(there.id).items():
        unipile.fail_next(method, "*", fault, times=99)
        done = ask(*words)

        assert done.exit_code == 1, words
        assert done.stderr.startswith("relay: Unipile could not ")
        assert done.stderr.count("\n") == 1
        assert state_of(unipile, tmp_path) == before
        unipile.clear_faults()
    for words in commands(there.id).values():
        assert ask(*words).exit_code == 0


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_what_was_done_although_its_answer_is_lost(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path, fault: Fault
) -> None:
    """Counts, without a word of it."""
    there = unipile.add_endpoint(HOOK, ["message.new"], ["acc_1"])
    words = commands(there.id)
    unipile.fail_next("POST", "*", fault)
    made = said_of(ask(*words["POST"], "--json"))["id"]

    assert list(unipile.endpoints) == [there.id, made]
    assert secrets_of(tmp_path) == [unipile.endpoints[made].secret, OLD]

    unipile.fail_next("PATCH", "*", fault)
    assert said_of(ask(*words["PATCH"], "--json"))["accounts"] == ["acc_1", "acc_2"]
    unipile.fail_next("DELETE", "*", fault)
    assert said_of(ask(*words["DELETE"], "--json"))["did"] == "deleted"
    assert list(unipile.endpoints) == [made]
    assert unipile.faults_waiting == 0


def test_what_nobody_knows_is_said_with_what_to_do(
    ask: Ask, unipile: StandIn, configured: Path, tmp_path: Path
) -> None:
    """And doing that finds it."""
    there = unipile.add_endpoint(HOOK, ["message.new"], ["acc_1"])
    before = state_of(unipile, tmp_path)
    hints = {"POST": "run this again", "PATCH": "show", "DELETE": "list` says what is there"}
    for method, words in commands(there.id).items():
        unipile.fail_next(method, "*", 504, times=99)
        done = ask(*words)
        unipile.clear_faults()

        assert done.exit_code == 1
        assert f"{hints[method]}" in done.stderr
        assert "all the same" in done.stderr
        assert done.stderr.count("\n") == 1
        assert state_of(unipile, tmp_path) == before
