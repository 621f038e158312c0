"""Whatever Unipile says, no command's output holds anything that a terminal acts upon."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from relay.commands.unipile import confirming
from tests.integration.test_hostile_output import HOSTILE, acting
from tests.relay.commands.conftest import Relay
from tests.relay.commands.unipile.asked import HOOK, KEY
from tests.relay.commands.unipile.test_create import System
from tests.relay.unipile.answering import Answer, answering
from tests.relay.unipile.standing import aside

SECRET = f"wes_{HOSTILE}"
ROW: dict[str, Any] = {
    "id": HOSTILE,
    "url": f"{HOOK}{HOSTILE}",
    "secret": SECRET,
    "enabled": True,
    "description": HOSTILE,
    "trigger_events": [HOSTILE],
    "account_ids": [HOSTILE, "acc_1"],
    "account_targets": [
        {"id": HOSTILE, "account_name": HOSTILE, "account_provider": HOSTILE, "status": HOSTILE},
        {"id": HOSTILE, "status": "deleted"},
    ],
}
TYPED = [
    ["create", "--url", HOSTILE],
    ["create", "--url", HOOK, "--event", HOSTILE, "--description", HOSTILE, "--adopt"],
    ["create", "--url", HOOK, "--account", HOSTILE, "--name", HOSTILE],
    ["create", "--url", HOOK, "--no-keep", "--secret-file", HOSTILE],
    ["update", "we_1", "--remove-account", f"{HOSTILE}2"],
    ["update", "we_1", "--remove-event", f"{HOSTILE}2"],
    ["delete", HOSTILE],
]
# Nothing that is typed here is hostile, so what is shown comes from Unipile.
CHANGING = [
    ["create", "--url", f"{HOOK}/new/unipile"],
    ["create", "--url", HOOK, "--adopt", "--event", "x", "--name", "other"],
    ["update", "we_1", "--description", "x"],
    ["disable", "we_1"],
    ["delete", "we_1", "--yes"],
]
LOOKING = [["list"], ["show", "we_1"], ["create", "--url", HOOK], ["delete", "we_1"]]
PLAIN = [*CHANGING, *LOOKING]
AS_JSON = [[*words, "--json"] for words in PLAIN]


def granting(request: web.Request) -> web.Response:
    """Take everything."""
    if request.method == "DELETE":
        return web.json_response({"success": True})
    is_list = request.method == "GET" and request.path.endswith("/")
    # One that is to be taken over has the URL that is asked for.
    rows = [{**ROW, "url": HOOK}, ROW]
    return web.json_response({"data": rows[:1], "has_more": False} if is_list else ROW)


def refusing(request: web.Request) -> web.Response:
    """Take nothing that changes anything, and say so."""
    if request.method == "GET":
        return granting(request)
    return web.json_response({"detail": HOSTILE, "title": HOSTILE}, status=400)


def away(request: web.Request) -> web.Response:
    """Send everything elsewhere; a header has no control characters, but marks that turn it."""
    location = "https://elsewhere.example/\u202eevil\u2066"
    return web.Response(status=307, headers={"location": location})


@pytest.mark.parametrize(
    ("answer", "every"),
    [
        (granting, [*PLAIN, *AS_JSON]),
        (refusing, CHANGING),
        (away, PLAIN[:3]),
        (granting, TYPED),
    ],
    ids=["said", "refused", "redirected", "typed"],
)
def test_no_output_does_anything(
    relay: Relay,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    every: list[list[str]],
) -> None:
    """Escapes, bidi marks and ends of lines are written out; neither key nor secret is said."""
    monkeypatch.setattr(confirming, "sys", System)
    monkeypatch.setattr("relay.commands.unipile.confirming.typer.confirm", lambda text, err: True)

    async def answered(request: web.Request) -> web.Response:
        made: web.Response = answer(request)
        return made

    wrong, shown = [], ""
    serving: Answer = answered
    with aside(lambda: answering(serving)) as server:
        for words in every:
            environ = {"UNIPILE_API_KEY": KEY, "UNIPILE_API_URL": server.url}
            done = relay("unipile", "endpoints", *words, "--api-seconds", "2", **environ)
            said = done.stdout + done.stderr
            shown += said
            unexpected = done.exception is not None and not isinstance(done.exception, SystemExit)
            if acting(said) or unexpected or "\nfake: row" in said or KEY in said:
                wrong.append((words, done.exception or acting(said)))
            if "--json" in words and done.exit_code == 0:
                assert SECRET not in json.dumps(json.loads(done.stdout))

    assert wrong == []
    assert "wes_" not in shown
    # It was there, written out.
    assert "\\u202eevil" in shown
