"""Each command that changes something at Unipile, with a fault from each of its requests on."""

from collections.abc import Collection

import pytest

from relay.unipile.stand_in import Fault
from relay.unipile.stand_in.faults import REQUEST_KINDS
from tests.relay.commands.unipile.desk import URL, Before, Desk

pytestmark = pytest.mark.redis

CONNECT = ["connect", "--public-url", URL, "--unchecked", "--wait", "0"]
BEGUN = [[*CONNECT, "--account", "acc_1"], ["rotate"]]
# What goes before, and the command; `ID` stands for the first endpoint's.
COMMANDS = {
    "connect": ([], CONNECT),
    "connect-again": (BEGUN[:1], [*CONNECT, "--account", "acc_2"]),
    "create": ([], ["endpoints", "create", "--url", URL]),
    "update": (BEGUN[:1], ["endpoints", "update", "ID", "--add-account", "acc_2"]),
    "disable": (BEGUN[:1], ["endpoints", "disable", "ID"]),
    "delete": (BEGUN[:1], ["endpoints", "delete", "ID", "--yes"]),
    "rotate": (BEGUN[:1], ["rotate"]),
    "finish": (BEGUN, ["rotate", "--finish", "--yes"]),
    "back": (BEGUN, ["rotate", "--back"]),
}
FAULTS = [
    Fault("status", 401),
    Fault("half-page"),
    Fault("status", 500, done=True),
    Fault("status", 404),
    Fault("broken-json"),
    Fault("cut", done=True),
    Fault("status", 429, retry_after="60"),
    Fault("status", 403),
    Fault("wrong-shape"),
    Fault("time-out", done=True),
    Fault("status", 500),
    Fault("cut"),
    Fault("time-out"),
]
# Of all of them at each step; which ones differs from step to step.
AT_A_STEP = 2


class Failing:
    """Has requests fail from one on, and counts them.

    Args:
        desk: Whose stand-in.
        patched: Puts back what it was.
    """

    def __init__(self, desk: Desk, patched: pytest.MonkeyPatch) -> None:
        self.seen, self._first, self._fault = 0, 0, FAULTS[0]
        patched.setattr(desk.unipile._faults, "take", self._take)

    def begin(self, first: int = 0, fault: Fault = FAULTS[0]) -> None:
        """Count anew; from `first` on they fail, for 0 none does."""
        self.seen, self._first, self._fault = 0, first, fault

    def _take(self, method: str, _: str, kinds: Collection[str] = REQUEST_KINDS) -> Fault | None:
        if method == "DELIVERY":
            return None
        self.seen += 1
        return self._fault if 0 < self._first <= self.seen else None


def standing(desk: Desk) -> tuple[object, object]:
    """Say what is there, without ids and secrets, and which secrets count here."""
    there = [
        (each.url, set(each.trigger_events), each.account_ids, each.description, each.enabled)
        for each in desk.there
    ]
    made = [each.secret for each in desk.there]
    named: list[tuple[object, bool]] = []
    for reference, secret in zip(desk.references(), desk.secrets(), strict=True):
        number = made.index(secret) if secret in made else None
        named.append((number, "not_after" in reference))
    return there, named


@pytest.mark.parametrize("name", COMMANDS)
async def test_it_is_said_in_a_line_and_gone_on_from(
    desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What signs counts here, no file is left over, and the same command comes to the same end."""
    before, words = COMMANDS[name]
    for each in before:
        assert (await desk.run(*each)).exit_code == 0
    words = [desk.there[0].id if word == "ID" else word for word in words]
    start, known = Before(desk), {each.id for each in desk.there}
    failing = Failing(desk, monkeypatch)
    assert (await desk.run(*words)).exit_code == 0
    steps, end = failing.seen, standing(desk)
    assert steps

    for step in range(1, steps + 1):
        for number in range(AT_A_STEP):
            fault = FAULTS[(step * AT_A_STEP + number + len(name)) % len(FAULTS)]
            start.restore()
            failing.begin(step, fault)
            done = await desk.run(*words)
            where = f"{fault} from request {step} on: {done.output}"

            assert len(done.stderr.splitlines()) == done.exit_code, where
            assert {each.secret for each in desk.there if each.id in known} <= {*desk.secrets()}, (
                where
            )
            assert desk.files() == sorted(set(desk.secrets())), where

            failing.begin()
            is_gone = name == "delete" and not desk.there
            # It was made here, but that the command cannot know.
            adopting = ["--adopt"] if name == "create" and desk.there else []
            again = await desk.run(*words, *adopting)
            assert again.exit_code == is_gone, where + again.output
            assert standing(desk) == end, where
