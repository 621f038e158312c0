"""``relay rejections explain``: why a delivery was refused, in words."""

import time

from relay.commands.rejections.find import find_row, name_of
from relay.commands.rejections.judging import configured, explained
from relay.commands.store import opened
from relay.contract.display import show_json, tell, warn
from relay.contract.printable import printable

# A sentence, with a sender's names in it.
MOST_CHARACTERS = 1000


async def explain_row(redis_url: str | None, wanted: str, *, as_json: bool) -> None:
    """Say the cause first, then what to do, then each step."""
    known = configured(redis_url)
    async with opened(known.settings) as store:
        row = await find_row(store, list(known.endpoints), wanted)
    said = await explained(row, known, time.time_ns() // 1_000_000)
    for fault in known.faults.get(row.endpoint, ()):
        warn(f"relay: not tried, since it cannot be read here: {printable(fault, MOST_CHARACTERS)}")
    if as_json:
        steps = [
            {"name": step.name, "outcome": step.outcome, "text": step.text} for step in said.steps
        ]
        show_json(
            {"id": name_of(row), "reason": row.reason, "verdict": said.verdict}
            | {"cause": said.cause, "remedy": said.remedy, "steps": steps}
        )
        return
    tell(printable(said.cause, MOST_CHARACTERS))
    tell(printable(said.remedy, MOST_CHARACTERS))
    tell("")
    for step in said.steps:
        name = printable(step.name)
        tell(f"{step.outcome:<11}  {name}: {printable(step.text, MOST_CHARACTERS)}")
