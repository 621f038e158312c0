"""Deliveries whose id and type nobody signed, sent again by somebody who has seen them.

GitHub signs the body alone: whoever has one delivery can send it under any id and type.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.gateways import Running, running
from tests.servers import Server
from tests.signing import SECRET

pytestmark = pytest.mark.redis

BODY = b'{"ref":"refs/heads/main","repository":{"full_name":"acme/shop"}}'
OTHER = b'{"action":"opened","number":7,"repository":{"full_name":"acme/shop"}}'
USUAL: Mapping[str, Any] = {}
STRICT: Mapping[str, Any] = {"replay": "strict"}
# As the reference says; a test of its own compares it with the code.
NEW_TYPES_PER_HOUR = 20


@asynccontextmanager
async def of_github(server: Server, endpoint: Mapping[str, Any]) -> AsyncIterator[Running]:
    """Have a gateway with an endpoint of GitHub's."""
    section = {"provider": "github", "secrets": [{"env": "UNIPILE_WEBHOOK_SECRET"}], **endpoint}
    async with running(server, {"endpoints": {"github": section}}) as gateway:
        yield gateway


async def deliver(gateway: Running, body: bytes, event_id: str, event_type: str = "push") -> bool:
    """Send a body under an id and a type; tell whether it was new."""
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "x-hub-signature-256": f"sha256={digest}",
        "x-github-delivery": event_id,
        "x-github-event": event_type,
        "content-type": "application/json",
    }
    async with gateway.client.post("/webhooks/github", data=body, headers=headers) as answer:
        said = await answer.json()

    assert answer.status == 200
    assert said["received"] is True
    return "duplicate" not in said


async def ids_of(gateway: Running, event_type: str) -> list[str]:
    """Give the ids of what is in a stream of GitHub's, oldest first."""
    return [event.id for event in (await gateway.events(event_type, "github")).values()]


async def test_a_replayed_body_is_stored_once_where_replays_are_strict(server: Server) -> None:
    """Under a new id, under a new type, and under both, it is the event that it was."""
    async with of_github(server, STRICT) as gateway:
        new = [
            await deliver(gateway, BODY, event_id, event_type)
            for event_id in ("id-1", "id-2")
            for event_type in ("push", "release")
        ]
        pushes, streams = await ids_of(gateway, "push"), await gateway.streams()

    assert new == [True, False, False, False]
    assert pushes == ["id-1"]
    assert "release" not in streams


async def test_a_replayed_body_under_a_new_id_is_an_event_of_its_own_as_a_rule(
    server: Server,
) -> None:
    """Equal bodies can be different events, and GitHub tells them apart by that id alone."""
    async with of_github(server, USUAL) as gateway:
        new = [await deliver(gateway, BODY, event_id) for event_id in ("id-1", "id-2", "id-1")]
        pushes = await ids_of(gateway, "push")

    assert new == [True, True, False]
    assert pushes == ["id-1", "id-2"]


@pytest.mark.parametrize("endpoint", [USUAL, STRICT])
async def test_a_guessed_id_never_keeps_the_real_event_out(
    server: Server, endpoint: Mapping[str, Any]
) -> None:
    """Somebody sends what he has under the id of an event that is still to come."""
    async with of_github(server, endpoint) as gateway:
        await deliver(gateway, BODY, "id-1")
        guessed = await deliver(gateway, BODY, "id-2", "pull_request")
        real = await deliver(gateway, OTHER, "id-2", "pull_request")
        again = await deliver(gateway, OTHER, "id-2", "pull_request")
        found = await gateway.events("pull_request", "github")

    assert guessed is (endpoint == USUAL)
    assert (real, again) == (True, False)
    assert [event.data for event in found.values()][-1] == OTHER


async def test_only_so_many_types_that_nobody_signed_begin_in_an_hour(server: Server) -> None:
    """The next goes to ``unidentified`` with its type kept; types that are there go on."""
    types = [f"made_up_{number:02}" for number in range(NEW_TYPES_PER_HOUR)]
    async with of_github(server, USUAL) as gateway:
        for event_type in types:
            await deliver(gateway, BODY, event_type, event_type)
        await deliver(gateway, BODY, "one-more", "release")
        await deliver(gateway, OTHER, "known", types[0])
        begun = await gateway.streams()
        (misplaced,) = (await gateway.events("unidentified", "github")).values()
        first = await ids_of(gateway, types[0])

    assert set(types) <= begun
    assert "release" not in begun
    assert (misplaced.id, misplaced.original_type) == ("one-more", "release")
    assert first == [types[0], "known"]
