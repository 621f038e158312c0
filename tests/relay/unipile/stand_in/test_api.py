"""The API of webhook endpoints: what it takes, what it answers, what it refuses."""

from typing import Any

import pytest
from aiohttp import ClientSession

from relay.unipile.stand_in import KNOWN_TYPES, WITHDRAWN_TYPES, Rules, StandIn
from relay.unipile.stand_in.rules import MOST_ENDPOINTS
from tests.relay.unipile.stand_in.conftest import KEY

ENDPOINTS = "/v2/webhooks/endpoints/"
EVERY = sorted(KNOWN_TYPES)
WISH: dict[str, Any] = {
    "url": "https://shop.example/webhooks/unipile",
    "trigger_events": ["message.new", "email.new"],
}


async def asked(
    api: ClientSession, method: str, path: str, wish: object = None, **options: Any
) -> tuple[int, Any]:
    """Give status and JSON of an answer."""
    async with api.request(method, path, json=wish, **options) as answer:
        return answer.status, await answer.json()


async def created(api: ClientSession, **changes: object) -> Any:
    """Create an endpoint."""
    status, made = await asked(api, "POST", ENDPOINTS, WISH | changes)
    assert status == 200, made
    return made


async def test_an_endpoint_is_created_as_it_was_wished(api: ClientSession) -> None:
    """With an id, a secret of at most 36 characters, and what is known of its accounts."""
    made = await created(api, account_ids=["acc_1"], description="ours")

    assert made.pop("id").startswith("we_")
    secret = made.pop("secret")
    assert secret.startswith("wes_")
    assert len(secret) == 36
    assert made.pop("application_id").startswith("app_")
    assert made == WISH | {
        "object": "WebhookEndpoint",
        "enabled": True,
        "description": "ours",
        "account_ids": ["acc_1"],
        "account_targets": [
            {
                "object": "WebhookEndpointAccountTarget",
                "id": "acc_1",
                "account_name": "Grace Example",
                "account_provider": "linkedin",
                "status": "active",
            }
        ],
    }


async def test_two_endpoints_have_two_secrets(api: ClientSession) -> None:
    """Also with the same URL."""
    one, other = await created(api), await created(api)

    assert one["id"] != other["id"]
    assert one["secret"] != other["secret"]


async def test_what_is_read_is_what_was_created(api: ClientSession) -> None:
    """By itself and in the list."""
    made = await created(api)

    assert await asked(api, "GET", ENDPOINTS + made["id"]) == (200, made)
    assert await asked(api, "GET", ENDPOINTS) == (
        200,
        {"object": "WebhookEndpoints", "data": [made], "has_more": False},
    )


async def test_an_update_changes_what_it_names(api: ClientSession) -> None:
    """Each field by itself, and a list is replaced."""
    made = await created(api, account_ids=["acc_1"], description="ours")
    for changes in (
        {"url": "http://other.example/hook"},
        {"description": None},
        {"enabled": False},
        {"trigger_events": ["chat.update"]},
        {"account_ids": ["acc_2"]},
    ):
        status, changed = await asked(api, "PATCH", ENDPOINTS + made["id"], changes)
        expected = made | changes
        if "account_ids" in changes:
            assert [each["id"] for each in changed["account_targets"]] == ["acc_2"]
            expected["account_targets"] = changed["account_targets"]
        assert (status, changed) == (200, expected)
        assert await asked(api, "GET", ENDPOINTS + made["id"]) == (200, changed)
        made = changed


@pytest.mark.parametrize("resets", [False, True])
async def test_accounts_that_an_update_omits_stay_or_not(*, resets: bool) -> None:
    """Nobody knows; a test may have either."""
    async with (
        StandIn(KEY, rules=Rules(omitted_accounts_reset=resets)) as unipile,
        ClientSession(unipile.url, headers={"X-API-KEY": KEY}) as api,
    ):
        unipile.add_account("acc_1")
        made = await created(api, account_ids=["acc_1"])
        _, changed = await asked(api, "PATCH", ENDPOINTS + made["id"], {"enabled": True})

    assert changed["account_ids"] == ([] if resets else ["acc_1"])


async def test_what_is_deleted_is_gone(api: ClientSession, unipile: StandIn) -> None:
    """With its log; deleting it again is 404."""
    made = await created(api)
    unipile.plant(made["id"], [{}])

    assert await asked(api, "DELETE", ENDPOINTS + made["id"]) == (200, {"success": True})
    assert unipile.conversations(made["id"]) == []
    assert unipile.endpoints == {}
    for method in ("GET", "PATCH", "DELETE"):
        status, said = await asked(api, method, ENDPOINTS + made["id"], {})
        assert (status, said["type"]) == (404, "api/not_found")


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"url": ...}, "url"),
        ({"trigger_events": ...}, "trigger_events"),
        ({"trigger_events": []}, "trigger_events"),
        ({"trigger_events": ["message.new", "message.gnu"]}, "message.gnu"),
        ({"trigger_events": "message.new"}, "trigger_events"),
        ({"trigger_events": ["relation.request.accept"]}, "relation.request.accept"),
        ({"url": f"https://a.example/{'x' * 238}"}, "255"),
        ({"url": "ftp://a.example/"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://[::1/"}, "url"),
        ({"url": 5}, "url"),
        ({"description": "x" * 256}, "255"),
        ({"account_ids": ["acc_3"]}, "acc_3"),
        ({"account_ids": None}, "account_ids"),
    ],
)
async def test_what_cannot_be_is_refused_with_words(
    api: ClientSession, unipile: StandIn, wish: dict[str, Any], word: str
) -> None:
    """400 with what is wrong named, by an update too, and nothing has changed."""
    whole = {name: value for name, value in (WISH | wish).items() if value is not ...}

    status, said = await asked(api, "POST", ENDPOINTS, whole)

    assert status == 400
    assert said.keys() == {"type", "title", "detail", "status"}
    assert said["type"] == "api/invalid_parameters"
    assert word in said["detail"]
    assert unipile.endpoints == {}
    if ... not in wish.values():
        made = await created(api)
        status, said = await asked(api, "PATCH", ENDPOINTS + made["id"], wish)
        assert (status, word in said["detail"]) == (400, True)
        assert await asked(api, "GET", ENDPOINTS + made["id"]) == (200, made)


async def test_what_just_fits_is_taken(api: ClientSession) -> None:
    """255 characters of URL and description, all forty types, fields that it does not have."""
    url = f"https://a.example/{'x' * 237}"
    made = await created(
        api, url=url, description="é" * 255, trigger_events=EVERY, name="ours", enabled=False
    )

    assert len(url) == 255
    assert made["url"] == url
    assert len(made["trigger_events"]) == 40
    assert len(WITHDRAWN_TYPES - KNOWN_TYPES) == 2
    assert "name" not in made
    assert made["enabled"] is True


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'{"url": "\xff"}', b"[" * 100_000])
async def test_what_is_no_object_is_refused(api: ClientSession, body: bytes) -> None:
    """Whatever the bytes."""
    async with api.post(ENDPOINTS, data=body) as answer:
        assert answer.status == 400


@pytest.mark.parametrize(
    ("key", "status"), [(None, 401), ("", 401), ("other", 401), ("é", 401), ("scoped", 403)]
)
async def test_only_the_key_lets_in(key: str | None, status: int) -> None:
    """401 without it or with another, 403 with one that is for other things; on every path."""
    rules = Rules(scoped_keys=frozenset({"scoped"}))
    async with (
        StandIn(KEY, rules=rules) as unipile,
        ClientSession(unipile.url, headers={} if key is None else {"X-API-KEY": key}) as api,
    ):
        for method, path in (
            ("GET", ENDPOINTS),
            ("POST", ENDPOINTS),
            ("DELETE", f"{ENDPOINTS}we_1"),
            ("GET", "/v2/webhooks/conversations/"),
            ("GET", "/v2/else"),
        ):
            answered, said = await asked(api, method, path, WISH)
            assert (answered, said["status"]) == (status, status)


async def test_a_list_comes_in_pages(api: ClientSession, unipile: StandIn) -> None:
    """Twenty by default, a hundred at most whatever is asked for, each endpoint once."""
    ids = [unipile.add_endpoint("http://a.example/", ["chat.update"]).id for _ in range(105)]

    async def page(**query: str) -> tuple[list[str], bool]:
        _, said = await asked(api, "GET", ENDPOINTS, params=query)
        return [each["id"] for each in said["data"]], said["has_more"]

    assert await page() == (ids[:20], True)
    assert await page(limit="1000") == (ids[:100], True)
    assert await page(offset="100", limit="1000") == (ids[100:], False)
    assert await page(offset="100", limit="5") == (ids[100:], False)
    assert await page(offset="99", limit="5") == (ids[99:104], True)
    assert await page(offset="105") == ([], False)


@pytest.mark.parametrize("query", [{"limit": "x"}, {"offset": "-1"}, {"offset": "9" * 5000}])
async def test_bounds_that_are_no_numbers_are_refused(
    api: ClientSession, query: dict[str, str]
) -> None:
    """400, and its name is said."""
    status, said = await asked(api, "GET", ENDPOINTS, params=query)

    assert status == 400
    assert next(iter(query)) in said["detail"]


async def test_a_list_without_its_slash_is_redirected(api: ClientSession, unipile: StandIn) -> None:
    """Method, body and query stay, so whoever follows it gets there."""
    plain = ENDPOINTS.removesuffix("/")
    async with api.post(plain, json=WISH, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["location"]) == (308, ENDPOINTS)
    assert unipile.endpoints == {}

    status, made = await asked(api, "POST", plain, WISH)

    assert (status, made["id"] in unipile.endpoints) == (200, True)
    _, said = await asked(api, "GET", plain, params={"offset": "1"})
    assert said["data"] == []


async def test_other_paths_and_methods_are_refused_in_the_same_form(api: ClientSession) -> None:
    """404 and 405 as the API writes errors."""
    assert (await asked(api, "GET", "/v2/messages/"))[1]["type"] == "api/not_found"
    assert (await asked(api, "PUT", ENDPOINTS, WISH))[1]["type"] == "api/method_not_allowed"


async def test_a_removed_account_is_said_to_be_deleted(
    api: ClientSession, unipile: StandIn
) -> None:
    """The endpoint goes on naming it, and nobody can name it anew."""
    made = await created(api, account_ids=["acc_1"])
    unipile.remove_account("acc_1")

    _, found = await asked(api, "GET", ENDPOINTS + made["id"])

    assert found["account_ids"] == ["acc_1"]
    assert found["account_targets"] == [made["account_targets"][0] | {"status": "deleted"}]
    assert (await asked(api, "POST", ENDPOINTS, WISH | {"account_ids": ["acc_1"]}))[0] == 400


async def test_there_is_a_bound(api: ClientSession, unipile: StandIn) -> None:
    """Said in words."""
    for _ in range(MOST_ENDPOINTS):
        unipile.add_endpoint("http://a.example/", ["chat.update"])

    status, said = await asked(api, "POST", ENDPOINTS, WISH)

    assert (status, str(MOST_ENDPOINTS) in said["detail"]) == (400, True)
