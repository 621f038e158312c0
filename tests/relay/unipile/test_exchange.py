"""One request and its answer: redirects, lists without end, and answers that nobody expects."""

import json
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from aiohttp import web

from relay.unipile import Away, KeyRefused, NoId, Refused, UnipileFailed, Unreadable
from relay.unipile import api as calls
from relay.unipile import exchange as sent
from relay.unipile.stand_in import StandIn
from tests.relay.unipile.answering import KEY, Answer, answering, hasty_api

ENDPOINT: dict[str, Any] = {"id": "we_1", "url": "https://hooks.example.com/", "secret": "wes_x"}
WANTED = {"url": "https://hooks.example.com/", "trigger_events": ["message.new"]}


def answered(document: object, status: int = 200) -> Answer:
    """Answer everything alike."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(document, status=status)

    return answer


def redirected(status: int, where: Callable[[web.Request], str], then: object) -> Answer:
    """Answer with a redirect first, and then with a document."""

    async def answer(request: web.Request) -> web.Response:
        target = where(request)
        if request.rel_url.path == target.partition("?")[0]:
            return web.json_response(then)
        return web.Response(status=status, headers={"location": target})

    return answer


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_slash_more_or_less_is_followed(status: int) -> None:
    """With method, query, body and key as they were."""
    bodies = []

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/"):
            return web.Response(status=status, headers={"location": request.path.rstrip("/")})
        bodies.append(await request.text())
        return web.json_response({"data": [], "has_more": False} | ENDPOINT)

    async with answering(answer) as server, hasty_api(server.url) as api:
        assert await api.list_endpoints() == []
        await api.create_endpoint(WANTED)

    assert [path for _, path, _ in server.asked[:2]] == [
        "/v2/webhooks/endpoints/?offset=0&limit=100",
        "/v2/webhooks/endpoints?offset=0&limit=100",
    ]
    assert server.asked[-1] == ("POST", "/v2/webhooks/endpoints", True)
    assert json.loads(bodies[-1]) == WANTED


async def test_the_other_way_round_too() -> None:
    """Items have no slash; a server may want one."""
    answer = redirected(308, lambda _: "/v2/webhooks/endpoints/we_1/", ENDPOINT)
    async with answering(answer) as server, hasty_api(server.url) as api:
        assert (await api.read_endpoint("we_1")).id == "we_1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", ["list", "create", "delete"])
async def test_the_key_goes_to_no_other_server(status: int, call: str) -> None:
    """Another port is another server; the line names both."""
    async with answering(answered(ENDPOINT)) as other:

        async def answer(request: web.Request) -> web.Response:
            if call == "create" and request.method == "GET":
                return web.json_response({"data": [], "has_more": False})
            return web.Response(status=status, headers={"location": f"{other.url}/x"})

        async with answering(answer) as server, hasty_api(server.url) as api:
            calling: dict[str, Callable[[], Awaitable[object]]] = {
                "list": api.list_endpoints,
                "create": lambda: api.create_endpoint(WANTED),
                "delete": lambda: api.delete_endpoint("we_1"),
            }
            with pytest.raises(Unreadable, match="is not followed, since the key") as failed:
                await calling[call]()

        assert other.asked == []
        assert other.url in str(failed.value)
        assert server.url in str(failed.value)


async def test_the_key_goes_to_no_other_scheme_or_name() -> None:
    """What is encrypted or not, and another name of the same machine, are other servers."""
    for where in ("https://127.0.0.1:{port}/x", "//localhost:{port}/x", "http://[", "mailto:a@b"):

        async def answer(request: web.Request, where: str = where) -> web.Response:
            location = where.format(port=request.url.port)
            return web.Response(status=308, headers={"location": location})

        async with answering(answer) as server, hasty_api(server.url) as api:
            with pytest.raises(Unreadable, match="not followed"):
                await api.list_endpoints()
        assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "location"), [(303, ""), (303, "/x"), (302, "/x")])
async def test_what_was_done_is_not_done_again(status: int, location: str) -> None:
    """After these a client asks for another page, so the request may well be done."""

    async def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"data": [], "has_more": False})
        return web.Response(status=status, headers={"location": location or request.path})

    async with answering(answer) as server, hasty_api(server.url) as api:
        with pytest.raises(Unreadable) as failed:
            await api.create_endpoint(WANTED)

    assert failed.value.may_be_done
    assert [method for method, _, _ in server.asked].count("POST") == 1


async def test_a_redirect_that_is_no_url_is_quoted() -> None:
    """As it came."""
    answer = redirected(307, lambda _: "http://[x", {})
    async with answering(answer) as server, hasty_api(server.url) as api:
        with pytest.raises(Unreadable, match=r"a redirect to http://\[x, which is not followed"):
            await api.list_endpoints()


async def test_redirects_without_end_have_one() -> None:
    """Each to itself."""
    steps = count()
    answer = redirected(307, lambda _: f"/v2/{next(steps)}", {})
    async with answering(answer) as server, hasty_api(server.url) as api:
        with pytest.raises(Unreadable, match="redirects without end"):
            await api.list_endpoints()

    assert len(server.asked) == sent.MAX_REDIRECTS


# Lists.


async def test_the_same_page_for_ever_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that there is more, and gives nothing new."""
    monkeypatch.setattr(calls, "MAX_STALE_PAGES", 4)
    async with (
        answering(answered({"data": [ENDPOINT], "has_more": True})) as server,
        hasty_api(server.url) as api,
    ):
        with pytest.raises(Unreadable, match="gives nothing new"):
            await api.list_endpoints()

    assert len(server.asked) == 5
    assert server.asked[3][1].endswith("?offset=3&limit=100")


async def test_an_empty_page_with_more_behind_it_has_an_end() -> None:
    """Otherwise the same would be asked for ever."""
    async with (
        answering(answered({"data": [], "has_more": True})) as server,
        hasty_api(server.url) as api,
    ):
        with pytest.raises(Unreadable, match="gives nothing new"):
            await api.list_endpoints()

    assert len(server.asked) == 1


async def test_new_endpoints_for_ever_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has so many."""
    monkeypatch.setattr(calls, "MAX_ENDPOINTS", 5)
    ids = count()

    async def answer(_: web.Request) -> web.Response:
        row = {**ENDPOINT, "id": f"we_{next(ids)}"}
        return web.json_response({"data": [row], "has_more": True})

    async with answering(answer) as server, hasty_api(server.url) as api:
        with pytest.raises(Unreadable, match="the list has no end"):
            await api.list_endpoints()


# Answers.


async def test_fields_that_nobody_knows_are_passed_over() -> None:
    """And null is an empty list."""
    row = {**ENDPOINT, "account_ids": None, "trigger_events": None, "new": {"a": [1]}}
    async with answering(answered(row)) as server, hasty_api(server.url) as api:
        found = await api.read_endpoint("we_1")

    assert (found.accounts, found.events) == ((), ())


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"detail": "no such type", "title": "Bad request"}, "no such type"),
        ({"message": ["url is too long", "b"], "error": "Bad Request"}, "url is too long"),
        ({"error": {"message": "deep"}}, "deep"),
        ([{"title": "listed"}], "listed"),
        ({"type": "api/bad"}, "api/bad"),
        ({"detail": f"the key {KEY} may not"}, "the key *** may not"),
        ({"detail": "\x1b[31mred\u202e"}, "\\x1b[31mred\\u202e"),
        ({"detail": "long" * 500}, "long…"),
    ],
)
async def test_the_words_of_an_error_are_quoted(document: object, words: str) -> None:
    """Whichever form they have, without the key and made safe for a terminal."""
    async with answering(answered(document, 422)) as server, hasty_api(server.url) as api:
        with pytest.raises(Refused) as failed:
            await api.list_endpoints()

    assert f'it refused (422). It says: "{words}' in str(failed.value) or words in str(failed.value)
    assert KEY not in str(failed.value)
    assert len(str(failed.value)) < 500


@pytest.mark.parametrize("document", [{}, [], [[5]], 5, None, {"detail": 5}, {"detail": []}])
async def test_an_error_without_words_is_said_all_the_same(document: object) -> None:
    """By its number."""
    async with answering(answered(document, 401)) as server, hasty_api(server.url) as api:
        with pytest.raises(KeyRefused) as failed:
            await api.list_endpoints()

    assert "It says" not in str(failed.value)


@pytest.mark.parametrize(
    ("status", "kind"), [(204, Unreadable), (299, Unreadable), (304, Unreadable), (418, Refused)]
)
async def test_statuses_that_nobody_expects(status: int, kind: type[UnipileFailed]) -> None:
    """Are one line too."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with answering(answer) as server, hasty_api(server.url) as api:
        with pytest.raises(kind):
            await api.list_endpoints()


async def test_a_deletion_without_a_body_is_looked_at() -> None:
    """Many servers answer 204."""
    gone = []

    async def answer(request: web.Request) -> web.Response:
        if request.method == "DELETE":
            gone.append(request.path)
            return web.Response(status=204)
        return web.Response(status=404) if gone else web.json_response(ENDPOINT)

    async with answering(answer) as server, hasty_api(server.url) as api:
        await api.delete_endpoint("we_1")


async def test_a_deletion_that_says_no_is_none() -> None:
    """Although the status is 200."""
    async with answering(answered({"success": False})) as server, hasty_api(server.url) as api:
        with pytest.raises(Unreadable, match="says that it did not"):
            await api.delete_endpoint("we_1")


async def test_a_change_that_was_not_made_is_said() -> None:
    """Its answer could not be read, and the endpoint is as before."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(ENDPOINT if request.method == "GET" else {})

    async with answering(answer) as server, hasty_api(server.url) as api:
        with pytest.raises(Unreadable, match="description is not what it should be") as failed:
            await api.update_endpoint("we_1", {"description": "x", "account_ids": []})

    assert failed.value.may_be_done


async def test_an_answer_without_end_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read to its end."""
    monkeypatch.setattr(sent, "MAX_ANSWER_BYTES", 1000)
    async with (
        answering(answered({"data": ["x" * 2000], "has_more": False})) as server,
        hasty_api(server.url) as api,
    ):
        with pytest.raises(Unreadable, match="its answer has no end"):
            await api.list_endpoints()


async def test_two_that_were_made_are_named() -> None:
    """Somebody else made one with the same URL at the same time."""
    posted: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST":
            posted.append("")
            return web.json_response({})
        rows = [{**ENDPOINT, "id": f"we_{number}"} for number in range(2 * len(posted))]
        return web.json_response({"data": rows, "has_more": False})

    async with answering(answer) as server, hasty_api(server.url) as api:
        with pytest.raises(Unreadable, match="we_0, we_1") as failed:
            await api.create_endpoint(WANTED)

    assert failed.value.may_be_done
    assert len(posted) == 1


async def test_a_look_that_fails_after_a_creation_hides_no_doubt() -> None:
    """Both failures are said, and that it may be there."""
    posted: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST":
            posted.append("")
            return web.json_response({})
        return web.json_response({"data": [], "has_more": False}, status=404 if posted else 200)

    async with answering(answer) as server, hasty_api(server.url) as api:
        with pytest.raises(UnipileFailed, match="not of the form") as failed:
            await api.create_endpoint(WANTED)

    assert failed.value.may_be_done


async def test_unipile_may_write_the_url_otherwise() -> None:
    """Scheme and host in small letters, the root with its slash."""
    posted: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST":
            posted.append("")
            return web.json_response({})
        return web.json_response({"data": [ENDPOINT][: len(posted)], "has_more": False})

    async with answering(answer) as server, hasty_api(server.url) as api:
        made = await api.create_endpoint({**WANTED, "url": "HTTPS://Hooks.Example.com:443"})

    assert made.id == "we_1"


async def test_where_nothing_listens_nothing_is_done() -> None:
    """A connection that never was leaves no doubt, so the same is asked again."""
    async with StandIn(api_key=KEY) as gone:
        url = gone.url
    async with hasty_api(url) as api:
        with pytest.raises(Away, match="failed or was cut"):
            await api.create_endpoint(WANTED)
        with pytest.raises(NoId):
            await api.read_endpoint("no id")
