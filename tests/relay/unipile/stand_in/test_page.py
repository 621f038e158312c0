"""The page about the stand-in says what it does, and what it assumes."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import relay.unipile.stand_in
from relay.unipile.stand_in import Rules, StandIn
from relay.unipile.stand_in.control import Control
from relay.unipile.stand_in.faults import DELIVERY_KINDS, REQUEST_KINDS

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "reference" / "unipile-stand-in.md").read_text("utf-8")
ROOM = Path(relay.unipile.stand_in.__file__).parent
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_assumption_of_the_code_is_a_row_and_the_other_way_round() -> None:
    """In the same words."""
    texts = [path.read_text("utf-8") for path in ROOM.glob("*.py")]
    said = [each for text in texts for each in re.findall(r"# Assumption: (.*)", text)]
    table = PAGE.partition("## Assumptions\n")[2]
    rows = re.findall(r"^\| ([^|]*) \| [^|]*\| [^|]* \|$", table, re.MULTILINE)

    assert len(said) > 30
    assert sorted(said) == sorted(set(rows) - {"Assumption", "---"})
    assert len(set(rows)) == len(rows)


async def test_the_example_runs() -> None:
    """As a test of somebody's own would."""
    (snippet,) = [each for each in SNIPPETS if "async def test_" in each]
    names: dict[str, Any] = {}
    exec(snippet, names)

    await names["test_what_failed_comes_again"]()


def test_everything_that_can_be_called_is_described() -> None:
    """Methods, arguments, rules and faults."""
    public = [name for name in vars(StandIn) if not name.startswith("_")]
    arguments = [name for name in inspect.signature(StandIn).parameters if name != "self"]
    rules = [f"{each.name}=" for each in fields(Rules)]

    missing = [name for name in public if not re.search(rf"`[^`]*\b{name}\b[^`]*`", PAGE)]
    missing += [name for name in arguments if f"| `{name}` |" not in PAGE]
    missing += [name for name in rules if name not in PAGE]
    known = DELIVERY_KINDS | REQUEST_KINDS - {"status"}
    missing += [kind for kind in known if f"| `{kind}` |" not in PAGE]
    assert missing == []


def test_every_route_of_control_is_described() -> None:
    """By method and path."""
    from aiohttp import web  # noqa: PLC0415 - only this test needs it

    app = web.Application()
    Control(StandIn()).add_to(app)
    routes = {
        f"`{route.method} {route.resource.canonical.replace('{id}', '<id>')}`"
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }

    assert len(routes) == 7
    assert {route for route in routes if route not in PAGE} == set()
