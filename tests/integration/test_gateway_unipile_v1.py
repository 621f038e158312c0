"""Webhooks of Unipile's API version 1 at a gateway: forms, no content type, secrets elsewhere."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from relay.commands.endpoints.probe import probes
from relay.commands.endpoints.trial import try_all
from relay.commands.post import Sender, post_all
from relay.rejections import Rejection
from relay.rejections.rejection import read_rejection
from relay.settings import Settings, build_endpoints
from tests.integration.gateways import ENVIRON, Running, problem_of, running
from tests.making import now
from tests.servers import Server
from tests.signing import SECRET
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

HOOK = {"provider": "unipile-v1", "secrets": [{"env": "UNIPILE_WEBHOOK_SECRET"}]}
ENDPOINTS: dict[str, Any] = {
    "old": HOOK | {"renamed": {"message_id": "mid", "account_id": "acc"}},
    "mapped": HOOK | {"types_as": "unipile", "token": {"place": "header.x-own"}},
    "callbacks": HOOK | {"token": {"place": "query.knock"}},
}
MESSAGE = b'{"event":"message_received","acc":"a","mid":"m","message":"Hello"}'
FORM = b"AccountStatus%5Baccount_id%5D=a&AccountStatus%5Bmessage%5D=CREDENTIALS"
CALLBACK = b'{"status":"CREATION_SUCCESS","account_id":"a","name":"user-7"}'
AUTH = {"unipile-auth": SECRET}


@asynccontextmanager
async def of_version_1(server: Server) -> AsyncIterator[Running]:
    """Have a gateway with three endpoints of it."""
    async with running(server, {"endpoints": ENDPOINTS}) as gateway:
        yield gateway


async def send(
    gateway: Running, to: str, body: bytes, headers: Mapping[str, str] = AUTH
) -> tuple[int, dict[str, Any]]:
    """Send a body without a content type, as version 1 does; give status and answer."""
    async with gateway.client.post(
        f"/webhooks/{to}", data=body, headers=headers, skip_auto_headers=["content-type"]
    ) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_what_comes_without_a_content_type_is_told_by_its_body(server: Server) -> None:
    """JSON with renamed fields, and a form: each in its stream, with its id and account."""
    async with of_version_1(server) as gateway:
        answers = [await send(gateway, "old", body) for body in (MESSAGE, MESSAGE, FORM, FORM)]
        (message,) = (await gateway.events("message_received", "old")).values()
        (status,) = (await gateway.events("account_status.CREDENTIALS", "old")).values()

    assert [(code, "duplicate" in said) for code, said in answers] == [
        (200, False), (200, True), (200, False), (200, True),
    ]  # fmt: skip
    assert (message.id, message.account) == ("message_received:a:m", "a")
    assert (status.data, status.account, status.content_type) == (FORM, "a", None)
    assert status.assurance == message.assurance == "sender"


async def test_an_equal_id_with_another_body_is_stored_too(server: Server) -> None:
    """The header proves nothing of the body, so nothing is lost to an id that is known."""
    other = MESSAGE.replace(b"Hello", b"Hello again")
    async with of_version_1(server) as gateway:
        for body in (MESSAGE, other):
            await send(gateway, "old", body)
        events = (await gateway.events("message_received", "old")).values()

    assert [event.id for event in events] == ["message_received:a:m"] * 2


async def test_types_of_version_2_name_the_streams(server: Server) -> None:
    """The sender's own stands beside them, and a filter's type would leave it there."""
    async with of_version_1(server) as gateway:
        answer = await send(gateway, "mapped", FORM, {"x-own": SECRET})
        (event,) = (await gateway.events("account.status.disconnected", "mapped")).values()

    assert answer[0] == 200
    assert event.original_type == "account_status.CREDENTIALS"


async def test_nothing_weaker_stands_in_for_the_secret_in_its_place(server: Server) -> None:
    """Neither another header, nor the query in place of a header, nor the other way round."""
    cases: list[tuple[str, Mapping[str, str], str]] = [
        ("old", {}, "signature_missing"),
        ("old", {"x-own": SECRET}, "signature_missing"),
        ("old", {"unipile-auth": "wrong"}, "signature_mismatch"),
        ("mapped", AUTH, "signature_missing"),
        ("callbacks", AUTH, "signature_missing"),
        ("callbacks?knock=wrong", AUTH, "signature_mismatch"),
        (f"callbacks?Knock={SECRET}", {}, "signature_missing"),
        (f"old?unipile-auth={SECRET}&knock={SECRET}", {}, "signature_missing"),
    ]
    async with of_version_1(server) as gateway:
        for to, headers, reason in cases:
            answer = await gateway.client.post(f"/webhooks/{to}", data=MESSAGE, headers=headers)

            assert await problem_of(answer) == (401, reason), to
        assert not [name for name in await gateway.streams() if not name.startswith("@")]


async def test_the_commands_sign_as_the_endpoint_says(server: Server) -> None:
    """An example is stored, and what must be refused is, wherever the secret stands."""
    settings = Settings.load(ENVIRON, {"endpoints": ENDPOINTS})
    async with of_version_1(server) as gateway:
        for name, endpoint in build_endpoints(settings, ENVIRON).items():
            url = f"http://127.0.0.1:{gateway.port}/webhooks/{name}"
            sender = Sender(endpoint=endpoint, event_type="new_relation")
            (answer,) = await post_all(sender, 1, url=url)
            steps = await try_all(await probes(endpoint, now()), url)

            assert (answer.status, answer.result) == (200, "stored")
            assert [(step.ok, step.result) for step in steps] == [
                (True, "signature_missing"),
                (True, "signature_mismatch"),
            ]


async def test_an_example_has_the_names_that_its_endpoint_looks_for(server: Server) -> None:
    """Else it would be stored without an account, as nothing that its sender sends is."""
    endpoint = build_endpoints(Settings.load(ENVIRON, {"endpoints": ENDPOINTS}), ENVIRON)["old"]
    async with of_version_1(server) as gateway:
        url = f"http://127.0.0.1:{gateway.port}/webhooks/old"
        await post_all(Sender(endpoint=endpoint, event_type="message_received"), 1, url=url)
        (event,) = (await gateway.events("message_received", "old")).values()

    sent = json.loads(event.data)
    assert event.account == sent["acc"]
    assert event.id == f"message_received:{sent['acc']}:{sent['mid']}"
    assert not {"account_id", "message_id"} & sent.keys()


async def test_a_secret_in_the_query_is_in_no_entry_and_no_log(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is called: of what was taken, of what was refused, and in what is printed."""
    queries = (f"knock={SECRET}&state=7", f"wrong={SECRET}", SECRET)
    async with of_version_1(server) as gateway:
        answers = [await send(gateway, f"callbacks?{each}", CALLBACK, {}) for each in queries]
        (event,) = (await gateway.events("hosted_auth.CREATION_SUCCESS", "callbacks")).values()
        rows = await refused(gateway, 2)
        streams = ("@rejected", ":hosted_auth.CREATION_SUCCESS")
        raw = [await gateway.store.xrange(f"relay:{{callbacks}}{name}") for name in streams]

    assert [code for code, _ in answers] == [200, 401, 401]
    assert (event.query, event.account) == ("knock=redacted&state=7", "a")
    assert [row.query for row in rows] == ["wrong=redacted", "redacted"]
    assert SECRET not in repr(raw)
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    assert json.loads(event.data)["name"] == "user-7"


async def refused(gateway: Running, count: int) -> list[Rejection]:
    """Wait for so many rows of the refusal log, and give them."""

    async def found() -> list[Rejection]:
        raw: Any = await gateway.store.xrange("relay:{callbacks}@rejected")
        read = [read_rejection("callbacks", each.decode(), fields) for each, fields in raw]
        return [row for row in read if row is not None]

    async def are_there() -> bool:
        return len(await found()) >= count

    await wait_until(are_there, description=f"{count} rows are written")
    return await found()
