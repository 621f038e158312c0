"""Whatever comes from outside, no command's output holds anything that a terminal acts upon."""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.contract.connect import text_of
from relay.contract.keys import Keys
from relay.usage.read import OUTCOME, SECRET
from tests.commanding import every_command
from tests.making import now
from tests.relay.commands.conftest import Relay, relay
from tests.servers import Server

__all__ = ["relay"]

pytestmark = pytest.mark.redis

KEYS = Keys()
# Colours, a bell, markup of two kinds, the reading direction turned round, a line of its own.
HOSTILE = (
    "\x1b[31mred\x1b[0m\x07 [bold]x[/bold] <b>&amp; \u202eevil\u2066 \u200b\x9b1m\nfake: row\r"
)
EVENT: dict[Any, Any] = {
    "specversion": "1.0",
    "id": HOSTILE,
    "source": "/webhooks/unipile",
    "type": "message.new",
    "data": json.dumps({"text": HOSTILE}),
    "account": HOSTILE,
    "receivedat": "1796000000000",
    "assurance": "body",
    "headers": json.dumps({"user-agent": HOSTILE}),
    "query": HOSTILE,
    "originaltype": HOSTILE,
    "relayversion": "1",
}
ROW: dict[Any, Any] = {
    "size": "100",
    "reason": HOSTILE,
    "requestid": HOSTILE,
    "provider": HOSTILE,
    "client": HOSTILE,
    "method": HOSTILE,
    "query": HOSTILE,
    "headers": json.dumps(
        [["user-agent", HOSTILE], [HOSTILE, HOSTILE], ["x-hub-signature", HOSTILE]]
    ),
    "compared": json.dumps({HOSTILE: HOSTILE, "header_missing": HOSTILE}),
    "bodybytes": "2",
    "bodysha256": HOSTILE,
    "body": HOSTILE,
}
TOML = """
[endpoints.unipile]
provider = "unipile"
secrets = [{ file = "secret" }]
[endpoints.other]
provider = "github"
secrets = [{ file = "secret" }]
"""
# What each command is asked; those that run for ever or need a gateway are tested by themselves.
ASKED: dict[str, list[list[str]]] = {
    "relay check": [[]],
    "relay streams": [[]],
    "relay tail": [["--from", "0", "--count", "1"]],
    "relay groups": [[]],
    "relay groups pause": [["crm", "--reason", HOSTILE], [HOSTILE]],
    "relay groups resume": [["crm"], [HOSTILE]],
    "relay groups remove": [["crm", "--dry-run"], [HOSTILE, "--dry-run"]],
    "relay dead list": [[], ["--by", "reason"], ["--error", HOSTILE]],
    "relay dead show": [["{letter}"], [HOSTILE]],
    "relay dead redrive": [["--dry-run"], ["--account", HOSTILE, "--dry-run"]],
    "relay dead drop": [["--dry-run"], ["--account", HOSTILE, "--dry-run"]],
    "relay replay": [["crm", "--dry-run"], [HOSTILE, "--dry-run"]],
    "relay rejections list": [[], ["unipile"], [HOSTILE], ["--reason", HOSTILE]],
    "relay rejections show": [["unipile/{row}"], ["unipile/{row}", "--body"], [HOSTILE]],
    "relay rejections explain": [["unipile/{row}"], ["unipile/{real}"], [HOSTILE]],
    "relay rejections accept": [
        ["unipile/{row}"],
        ["unipile/{real}", "--force", "--by", HOSTILE, "--reason", HOSTILE],
        [HOSTILE],
    ],
    "relay secrets pending": [[], ["--show"]],
    "relay secrets accept": [["unipile", HOSTILE], [HOSTILE]],
    "relay secrets drop": [["unipile", HOSTILE], [HOSTILE]],
    "relay secrets status": [[], ["unipile"], [HOSTILE]],
    "relay secrets rotate": [["unipile", "--from-file", HOSTILE], [HOSTILE]],
    "relay endpoints list": [[]],
    "relay endpoints show": [["unipile"], [HOSTILE]],
    "relay endpoints add": [[HOSTILE], ["x", "--provider", HOSTILE]],
    "relay endpoints test": [["unipile", "--url", HOSTILE], [HOSTILE]],
    "relay providers": [[]],
    "relay providers show": [[HOSTILE]],
    "relay providers test": [[HOSTILE]],
    "relay send": [["unipile", "--type", HOSTILE], [HOSTILE]],
    "relay reload": [["--wait", "1"]],
    "relay spool status": [["--spool-dir", HOSTILE]],
    "relay unipile connect": [
        ["--public-url", HOSTILE],
        ["--public-url", "https://hooks.example.com", "--name", HOSTILE, "--event", HOSTILE],
    ],
    "relay unipile rotate": [[HOSTILE], ["--overlap", HOSTILE]],
    "relay unipile reconcile": [[HOSTILE], ["--since", HOSTILE], ["--api-url", HOSTILE]],
    "relay unipile endpoints list": [["--api-url", HOSTILE]],
    # What Unipile says itself is tested by itself.
    "relay unipile endpoints show": [[HOSTILE]],
    "relay unipile accounts": [[], ["--gaps"], ["unipile", "--gaps"], [HOSTILE]],
    "relay unipile endpoints create": [["--url", HOSTILE], ["--url", HOSTILE, "--name", HOSTILE]],
    "relay unipile endpoints update": [[HOSTILE, "--description", HOSTILE], [HOSTILE]],
    "relay unipile endpoints enable": [[HOSTILE]],
    "relay unipile endpoints disable": [[HOSTILE]],
    "relay unipile endpoints delete": [[HOSTILE], [HOSTILE, "--yes"]],
}
ELSEWHERE = {
    "relay dev",
    "relay serve",
    "relay worker",
    "relay conformance",
    "relay spool drain",
    "relay unipile stand-in",
}


@pytest.fixture
def filled(server: Server, tmp_path: Path) -> dict[str, str]:
    """A store in which every book holds what somebody outside may have put there."""
    (tmp_path / "relay.toml").write_text(TOML)
    (tmp_path / "secret").write_text("a-secret-of-some-length\n")
    stream = KEYS.stream("unipile", "message.new")
    with server.client() as client:
        entry = text_of(client.xadd(stream, EVENT))
        client.hset(KEYS.streams("unipile"), "message.new", f"1 {entry}")
        client.sadd(KEYS.tags, "unipile", HOSTILE)
        client.xgroup_create(stream, "crm", id="0")
        client.xgroup_create(stream, HOSTILE, id="0")
        client.xreadgroup("crm", HOSTILE, {stream: ">"})
        letter = {**EVENT, "entryid": entry, "reason": HOSTILE, "group": "crm"}
        letter |= {"attempts": "3", "firsterror": HOSTILE, "lasterror": HOSTILE}
        dead = text_of(client.xadd(KEYS.dead("unipile", "crm"), letter))
        row = text_of(client.xadd(KEYS.rejected("unipile"), ROW | {"receivedat": f"{now()}000"}))
        real = {**ROW, "receivedat": f"{now()}000", "reason": "signature_missing", "method": "POST"}
        kept = text_of(client.xadd(KEYS.rejected("unipile"), real))
        used = f"1 {now()}000 {now()}000"
        book: dict[Any, Any] = {
            f"{OUTCOME}{HOSTILE}": used,
            f"{SECRET}{HOSTILE}#abcd": used,
            HOSTILE: HOSTILE,
        }
        client.hset(KEYS.usage("unipile"), mapping=book)
        away = {"opened": HOSTILE, "product": HOSTILE}
        status = {"status": HOSTILE, "since": HOSTILE, "product": HOSTILE, "open": [away]}
        client.hset(KEYS.accounts("unipile"), HOSTILE, json.dumps(status))
        client.hset(
            KEYS.gaps("unipile"), HOSTILE, json.dumps({"gaps": [away | {"closed": HOSTILE}]})
        )
        client.hset(KEYS.paused, "crm unipile:*", json.dumps({"by": HOSTILE, "reason": HOSTILE}))
        client.hset(KEYS.secrets_pending, f"unipile|{HOSTILE}", f"{now()}000 {HOSTILE}")
        client.xadd(KEYS.control, {"what": "reloading", "host": HOSTILE, "faults": HOSTILE})
        for key in (KEYS.rejected("unipile"), KEYS.usage("unipile"), KEYS.secrets_pending):
            client.expire(key, 600)
    return {"letter": dead, "row": row, "real": kept, "url": server.url}


def words() -> Iterator[tuple[str, list[str]]]:
    """Give each command with each of its arguments, plainly and as JSON."""
    for command, every in ASKED.items():
        has_json = any("--json" in option.opts for option in every_command()[command].params)
        for arguments in every:
            yield command, arguments
            if has_json:
                yield command, [*arguments, "--json"]


def acting(text: str) -> list[str]:
    """Give the characters that a terminal acts upon, but for ends of lines."""
    return [
        each
        for each in text
        if each != "\n" and unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    ]


def test_every_command_is_asked() -> None:
    """A new command must be told here what it is to be asked."""
    assert every_command().keys() == ASKED.keys() | ELSEWHERE


def test_no_output_does_anything(relay: Relay, filled: dict[str, str]) -> None:
    """Escapes, bidi marks and ends of lines are written out, and nothing is drawn by markup."""
    wrong: list[tuple[str, Any]] = []
    shown = ""
    for command, arguments in words():
        given = [each.format_map(filled) for each in arguments]
        done = relay(*command.split()[1:], *given, REDIS_URL=filled["url"])
        said = done.stdout + done.stderr
        shown += said
        unexpected = done.exception is not None and not isinstance(done.exception, SystemExit)
        if acting(said) or unexpected or "\nfake: row" in said:
            wrong.append((f"{command} {arguments}", done.exception or acting(said)))

    assert [each for each, _ in wrong] == []
    # It was there, written out.
    assert "\\x1b[31mred" in shown
    assert "[bold]x[/bold]" in shown
