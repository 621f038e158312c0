"""The fault suite: ends with 0, with 1 if a promise was broken, with 3 if it was no run."""

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.faults import results
from tests.faults.scenario import SERVERS, Outcome, Scenario, is_a_run
from tests.faults.scenarios import ALL
from tests.faults.suite import chosen, play
from tests.servers import find_binary


def main() -> int:
    """Read the options, play, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--list", action="store_true", help="say which scenarios there are")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these scenarios")
    parser.add_argument("--server", choices=SERVERS, help="only on this kind of server")
    parser.add_argument("--short", action="store_true", help="the short form")
    parser.add_argument("--rounds", type=int, help="instead of each scenario's own number")
    parser.add_argument("--seed", type=int, help="decides all that is left to chance")
    parser.add_argument("--keep", type=Path, help="where the files of the run are left")
    parser.add_argument("--record", action="store_true", help="keep the results for the page")
    parser.add_argument("--write", action="store_true", help="draw the page's table, run nothing")
    given = parser.parse_args()
    if given.write:
        results.write_page()
        return 0
    scenarios = chosen(ALL, given.only)
    if given.list:
        _list(scenarios)
        return 0
    return asyncio.run(_play_all(scenarios, given))


def _list(scenarios: Sequence[Scenario]) -> None:
    for scenario in scenarios:
        why = scenario.needs()
        hindered = f" (not here: {why})" if why else ""
        servers = ", ".join(scenario.servers)
        print(f"{scenario.name:24} {scenario.rounds:4} × {servers}: {scenario.title}{hindered}")


async def _play_all(scenarios: Sequence[Scenario], given: argparse.Namespace) -> int:
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}")
    outcomes = []
    for scenario, server in _wanted(scenarios, given):
        rounds = given.rounds or (scenario.short if given.short else scenario.rounds)
        outcome = await play(scenario, server, seed, rounds=rounds, keep=given.keep)
        say(outcome)
        outcomes.append(outcome)
        if given.record:
            results.record(outcome)
    return conclude(outcomes)


def _wanted(scenarios: Sequence[Scenario], given: argparse.Namespace) -> list[tuple[Scenario, str]]:
    wanted = []
    for scenario in scenarios:
        if given.short and not scenario.short:
            continue
        why = scenario.needs()
        if why:
            print(f"{scenario.name}: left out, {why}")
            continue
        for server in scenario.servers:
            if given.server not in {None, server}:
                continue
            if find_binary(server) is None:
                print(f"{scenario.name}: left out, there is no {SERVERS[server]} here")
                continue
            wanted.append((scenario, server))
    return wanted


def say(outcome: Outcome) -> None:
    """Print what came of a scenario."""
    stage = outcome.stage
    print(
        f"{outcome.scenario.name} on {SERVERS[stage.server]}: {len(stage.unknown)} rounds, "
        f"{outcome.rounds_unknown} with {sum(stage.unknown)} outcomes unknown; "
        f"{stage.accepted} accepted, {outcome.total('lost')} lost, "
        f"{outcome.total('doubled')} doubled ({outcome.seconds:.0f} s)"
    )
    for text in outcome.broken:
        print(f"BROKEN: {text}")
    if outcome.broken:
        print(
            f"again: make faults ARGS='--only {outcome.scenario.name} --server {stage.server} "
            f"--rounds {stage.rounds} --seed {stage.seed}'"
        )
    sys.stdout.flush()


def conclude(outcomes: Sequence[Outcome]) -> int:
    """Say of the whole run whether it is good, and give the exit code."""
    if any(outcome.broken for outcome in outcomes):
        print("a promise was broken")
        return 1
    if not is_a_run(outcomes):
        print("no run: in too few rounds there was an outcome that somebody could not know")
        return 3
    print("every promise was kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
