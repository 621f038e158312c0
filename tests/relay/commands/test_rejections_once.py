"""``relay rejections accept`` stores an event once, whatever comes between."""

import asyncio
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.commands.rejections import accepting
from relay.commands.rejections.each import Wanted, accept_each
from relay.commands.rejections.storing import Remembering
from relay.contract.event import Duplicate, IdentifiedEvent
from relay.rejections.accepted import Acceptance, read_acceptances
from relay.rejections.judged import facts_of
from relay.rejections.log import KEEP_MS
from tests.making import make_identified
from tests.relay.clocked import InMemory
from tests.relay.commands.conftest import Relay
from tests.relay.commands.rejecting import (
    BODY,
    FILE,
    KEYS,
    ask,
    endpoint_of,
    events,
    kept,
    now_ms,
    row,
)
from tests.servers import Server
from tests.signing import SECRET, signed

ATTIO = """
[redis]
url = "{url}"
[endpoints.attio]
provider = "attio"
secrets = [{{ env = "UNIPILE_WEBHOOK_SECRET" }}]
partitions = 8
"""
# One event twice, which no id tells apart, and another.
EACH = {"event_type": "record.created", "id": {"workspace_id": "w"}}
CHANGES = json.dumps({"events": [EACH, EACH, EACH | {"more": 1}]}).encode()
OPTIONS = {"UNIPILE_WEBHOOK_SECRET": SECRET}


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """End the command between storing an event and taking note of it."""

    async def killed(*_: object) -> Acceptance:
        raise OSError("killed")

    monkeypatch.setattr(accepting, "note_acceptance", killed)


@pytest.mark.redis
def test_two_at_once_store_one_event(
    relay: Relay, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them has looked before the other has taken note, and both say which entry it is."""
    (wanted,) = kept(server, row())
    (tmp_path / "relay.toml").write_text(FILE.format(url=server.url, more=""))
    monkeypatch.setenv("UNIPILE_WEBHOOK_SECRET", SECRET)
    everyone, here = asyncio.Barrier(4), read_acceptances

    async def look(*arguments: Any) -> dict[str, Acceptance]:
        found = await here(*arguments)
        await everyone.wait()
        return found

    async def all_at_once() -> list[bool]:
        monkeypatch.setattr(accepting, "read_acceptances", look)
        return await asyncio.gather(*(accept_each(None, Wanted(ids=[wanted])) for _ in range(4)))

    are_fine = asyncio.run(all_at_once())
    monkeypatch.undo()

    assert are_fine == [True] * 4
    assert len(events(server)) == 1


@pytest.mark.redis
def test_whoever_is_killed_in_between_can_accept_again(
    relay: Relay, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is known then, and noted as it should have been."""
    (wanted,) = kept(server, row())
    (tmp_path / "relay.toml").write_text(FILE.format(url=server.url, more=""))
    with monkeypatch.context() as patch:
        forget(patch)
        killed = relay("rejections", "accept", wanted, **OPTIONS)
    again = relay("rejections", "accept", wanted, **OPTIONS)
    then = relay("rejections", "accept", wanted, **OPTIONS)

    assert (killed.exit_code, again.exit_code) == (1, 0)
    assert "duplicate" in again.stdout
    assert "accepted before" in then.stdout
    assert len(events(server)) == 1


@pytest.mark.redis
def test_forced_twice_is_stored_once(
    relay: Relay, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing was proved of it."""
    (wanted,) = kept(server, row(headers=signed(BODY, secret="another")))
    (tmp_path / "relay.toml").write_text(FILE.format(url=server.url, more=""))
    force = ("accept", wanted, "--force", "--by", "kim", "--reason", "why")
    with monkeypatch.context() as patch:
        forget(patch)
        relay("rejections", *force, **OPTIONS)
    again = relay("rejections", *force, **OPTIONS)

    assert "duplicate" in again.stdout
    assert len(events(server, "unidentified")) == 1


@pytest.mark.redis
def test_events_that_nothing_tells_apart_are_stored_once_each(
    relay: Relay, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where equal bodies are different events, the row tells one acceptance from another."""
    signature = hmac.new(SECRET.encode(), CHANGES, hashlib.sha256).hexdigest()
    headers = {"attio-signature": signature}
    first, second = kept(
        server,
        row(CHANGES, headers, "attio"),
        row(CHANGES, headers, "attio", request_id="second"),
    )
    (tmp_path / "relay.toml").write_text(ATTIO.format(url=server.url))

    def stored() -> int:
        tags = [f"attio#{number}" for number in range(8)]
        return sum(
            ask(server, "XLEN", KEYS.stream(tag, name))
            for tag in tags
            for name in ("record.created", "unidentified")
        )

    with monkeypatch.context() as patch:
        forget(patch)
        relay("rejections", "accept", first, **OPTIONS)
    once = stored()
    relay("rejections", "accept", first, **OPTIONS)
    again = stored()
    other = relay("rejections", "accept", second, **OPTIONS)

    assert (once, again, stored()) == (3, 3, 6)
    assert "stored" in other.stdout


MAILGUN = """
[redis]
url = "{url}"
[endpoints.mailgun]
provider = "mailgun"
secrets = [{{ env = "UNIPILE_WEBHOOK_SECRET" }}]
"""


def of_mailgun(event: str, token: str = "token") -> bytes:
    """Make a body whose signature says nothing of the event."""
    at = str(now_ms() // 1000)
    signature = hmac.new(SECRET.encode(), f"{at}{token}".encode(), hashlib.sha256).hexdigest()
    signed = {"token": token, "timestamp": at, "signature": signature}
    event_data = {"id": event, "event": "delivered", "domain": {"name": "example.org"}}
    return json.dumps({"signature": signed, "event-data": event_data}).encode()


@pytest.mark.redis
def test_a_signature_that_came_with_another_event_proves_none_later(
    relay: Relay, server: Server, tmp_path: Path
) -> None:
    """The gateway had refused it for just that; what was refused for a wrong secret passes."""
    forged = row(of_mailgun("evt_2"), {}, "mailgun")
    noticed = replace(forged, compared=facts_of(endpoint_of("mailgun"), forged))
    genuine = row(of_mailgun("evt_1"), {}, "mailgun")
    first, second = kept(server, noticed, genuine)
    (tmp_path / "relay.toml").write_text(MAILGUN.format(url=server.url))
    refused = relay("rejections", "accept", first, **OPTIONS)
    explained = relay("rejections", "explain", first, **OPTIONS)
    stored = relay("rejections", "accept", second, **OPTIONS)
    forced = relay(
        *("rejections", "accept", first, "--force", "--by", "kim", "--reason", "why"), **OPTIONS
    )

    assert (refused.exit_code, stored.exit_code, forced.exit_code) == (1, 0, 0), forced.output
    assert "signature.token had come with another event" in refused.output
    assert "signature.token had come with another event" in explained.stdout.splitlines()[0]
    assert "assurance none" in forced.stdout


@pytest.mark.redis
def test_of_two_events_with_one_signature_the_first_is_stored(
    relay: Relay, server: Server, tmp_path: Path
) -> None:
    """While the secret was wrong here, nobody had taken either."""
    token = f"token of {server.url}"
    bodies = [of_mailgun(f"evt_{number}", token) for number in (1, 2)]
    kept(server, *(row(body, {}, "mailgun") for body in bodies))
    (tmp_path / "relay.toml").write_text(MAILGUN.format(url=server.url))
    done = relay("rejections", "accept", "--all-of", "mailgun", "--yes", **OPTIONS)

    assert done.exit_code == 1
    assert "(event evt_1)" in done.stdout
    assert "came with another event before" in done.stderr


async def test_what_was_accepted_is_known_for_as_long_as_its_row() -> None:
    """However short the window of its endpoint is; also where its sender sends it again."""
    store, given = InMemory(), []

    class Taking:
        def append(self, identified: IdentifiedEvent) -> Any:
            given.append(identified)
            return asyncio.get_running_loop().create_future()

    short = make_identified("evt_1", window_seconds=60)
    Remembering(Taking()).append(short)  # type: ignore[arg-type]
    (accepted,) = given
    store.append(accepted)
    store.now_ms += KEEP_MS
    (again,) = store.append(accepted)
    (sent_again,) = store.append(short)

    assert isinstance(again.result, Duplicate)
    assert isinstance(sent_again.result, Duplicate)
