"""The client of Unipile's REST interface against the stand-in, with each fault that it can have."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from relay.unipile import (
    Away,
    Conversation,
    KeyRefused,
    NoId,
    NotPermitted,
    NotThere,
    Patience,
    Refused,
    TooMany,
    UnipileFailed,
    Unreadable,
    api,
)
from relay.unipile.stand_in import Fault, Rules, StandIn
from tests.relay.unipile.answering import KEY, answering, hasty_api, patience_for

COLLECTION, ONE = "/v2/webhooks/endpoints/", "/v2/webhooks/endpoints/*"
HOOK = "https://hooks.example.com/webhooks/unipile"
WANTED = {"url": HOOK, "trigger_events": ["message.new"]}
# Each fault, what it becomes, and words that say so.
FAULTS: list[tuple[Fault | str | int, type[UnipileFailed], str]] = [
    (401, KeyRefused, "UNIPILE_API_KEY"),
    (403, NotPermitted, "403"),
    (404, NotThere, "404"),
    (Fault("status", 429, retry_after="30"), TooMany, "Try again after 30 seconds"),
    (Fault("status", 429, retry_after="soon"), TooMany, "still after 3 attempts"),
    (500, Away, "failed itself (500)"),
    (502, Away, "failed itself (502)"),
    ("time-out", Away, "no answer within 0.4 seconds"),
    ("cut", Away, "failed or was cut"),
    ("half-page", Away, "failed or was cut"),
    ("broken-json", Unreadable, "is no JSON, or only a part"),
    ("wrong-shape", Unreadable, "not of the form"),
    ("no-data", Unreadable, "not of the form"),
]
# What may have been done although no good answer came.
LOST: list[Fault] = [
    Fault("status", 500, done=True),
    Fault("time-out", done=True),
    Fault("cut", done=True),
    Fault("half-page"),
    Fault("broken-json"),
    Fault("wrong-shape"),
]


@pytest.fixture
async def unipile() -> AsyncIterator[StandIn]:
    """A stand-in with two accounts, and pages of two rows."""
    async with StandIn(api_key=KEY, rules=Rules(page_size=2)) as running:
        running.add_account("acc_1")
        running.add_account("acc_2")
        yield running


# What it does.


async def test_an_endpoint_is_created_read_changed_and_deleted(unipile: StandIn) -> None:
    """As Unipile has it then."""
    async with hasty_api(unipile.url) as api:
        made = await api.create_endpoint({**WANTED, "account_ids": ["acc_1"], "description": "CRM"})
        read = await api.read_endpoint(made.id)
        changed = await api.update_endpoint(made.id, {"enabled": False, "account_ids": ["acc_2"]})
        await api.delete_endpoint(made.id)

        assert read == made
        assert made.accounts == ("acc_1",)
        assert made.secret.startswith("wes_")
        assert made.secret not in repr(made)
        assert [changed.enabled, changed.accounts] == [False, ("acc_2",)]
        assert await api.list_endpoints() == []


async def test_all_pages_are_read(unipile: StandIn) -> None:
    """However few rows come at a time."""
    ids = [unipile.add_endpoint(HOOK, ["message.new"]).id for _ in range(7)]
    async with hasty_api(unipile.url) as api:
        assert [endpoint.id for endpoint in await api.list_endpoints()] == ids


async def test_rows_that_come_in_meanwhile_repeat_none(unipile: StandIn) -> None:
    """Those before move on to the next page, and are given once all the same."""
    there = unipile.add_endpoint(HOOK, ["message.new"])
    unipile.plant(there.id, [{"id": f"wc_{number}"} for number in range(9)])
    before = {each.id for each in unipile.conversations(there.id)}
    given: list[Conversation] = []
    async with hasty_api(unipile.url) as api:
        async for page in api.conversation_pages(there.id):
            given += page
            if len(given) < 8:
                unipile.plant(there.id, [{}])

    ids = [each.id for each in given]
    assert len(ids) == len(set(ids))
    assert before <= set(ids)


async def test_of_a_long_list_not_every_id_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What moves on is near; a log of millions must not fill the memory."""
    monkeypatch.setattr(api, "REMEMBERED", 4)
    pages = iter([["1", "2"], ["2", "3"], ["4", "5"], ["5", "6", "1"]])

    async def answer(_: web.Request) -> web.Response:
        page = next(pages)
        fields = {"event_id": "evt_1", "event_type": "chat.update", "created_at": ""}
        return web.json_response(
            {"data": [{"id": each, **fields} for each in page], "has_more": "1" not in page[1:]}
        )

    async with answering(answer) as running, hasty_api(running.url) as client:
        given = [each.id async for page in client.conversation_pages("we_1") for each in page]

    assert given == ["1", "2", "3", "4", "5", "6", "1"]


async def test_attempts_of_one_event_are_given(unipile: StandIn) -> None:
    """With what was answered."""
    there = unipile.add_endpoint(HOOK, ["message.new"])
    unipile.plant(there.id, [{"event_id": "evt_1", "http_status": 500}, {"event_id": "evt_2"}])
    async with hasty_api(unipile.url) as api:
        given = [each async for page in api.conversation_pages(there.id, "evt_1") for each in page]

    assert [(each.event_id, each.http_status, each.succeeded) for each in given] == [
        ("evt_1", 500, False)
    ]


# What stands in its way.


@pytest.mark.parametrize(("fault", "kind", "words"), FAULTS, ids=str)
async def test_each_fault_of_a_list_is_one_line(
    unipile: StandIn, fault: Fault, kind: type[UnipileFailed], words: str
) -> None:
    """That says what happened, without the key."""
    unipile.add_endpoint(HOOK, ["message.new"])
    unipile.fail_next("GET", COLLECTION, fault, times=9)
    async with hasty_api(unipile.url, patience_for(fault)) as api:
        with pytest.raises(kind) as failed:
            await api.list_endpoints()

    line = str(failed.value)
    assert line.startswith("Unipile could not list its endpoints: ")
    assert words in line
    assert "\n" not in line
    assert KEY not in line
    assert not failed.value.may_be_done


@pytest.mark.parametrize(
    ("fault", "asked"),
    [(401, 1), (403, 1), (404, 1), (500, 3), ("time-out", 2), ("cut", 3), ("broken-json", 1)],
    ids=str,
)
async def test_only_what_may_pass_is_asked_again(
    unipile: StandIn, fault: int | str, asked: int
) -> None:
    """And that as often as was said."""
    unipile.fail_next("GET", COLLECTION, fault, times=9)
    async with hasty_api(unipile.url, patience_for(fault)) as api:
        with pytest.raises(UnipileFailed):
            await api.list_endpoints()

    assert 9 - unipile.faults_waiting == asked


@pytest.mark.parametrize("fault", [500, 503, "time-out", "cut", "half-page"], ids=str)
async def test_what_passes_is_not_noticed(unipile: StandIn, fault: int | str) -> None:
    """The next attempt finds it over."""
    there = unipile.add_endpoint(HOOK, ["message.new"])
    unipile.fail_next("GET", ONE, fault)
    async with hasty_api(unipile.url, patience_for(fault)) as api:
        assert (await api.read_endpoint(there.id)).id == there.id


async def test_what_retry_after_says_is_heeded(unipile: StandIn) -> None:
    """Where it is too long for the time there is, nothing is asked again."""
    unipile.fail_next("GET", COLLECTION, Fault("status", 429, retry_after="60"), times=9)
    async with hasty_api(unipile.url) as api:
        with pytest.raises(TooMany, match="after 60 seconds"):
            await api.list_endpoints()
    assert unipile.faults_waiting == 8

    unipile.clear_faults()
    unipile.fail_next("GET", COLLECTION, Fault("status", 429, retry_after="0"))
    async with hasty_api(unipile.url) as api:
        assert await api.list_endpoints() == []


def test_a_pause_is_never_shorter_than_was_asked_for() -> None:
    """And grows by itself."""
    patience = Patience(first_pause_seconds=1.0)

    assert patience.pause_seconds(1, 7.0) == 7.0
    assert 0.5 <= patience.pause_seconds(1) <= 1.0
    assert 2.0 <= patience.pause_seconds(3, 0.1) <= 4.0
    assert Patience.within(2.0).request_seconds == 1.0


async def test_a_wrong_key_is_said(unipile: StandIn) -> None:
    """In the words of Unipile, which are not those of a fault that a test asked for."""
    async with hasty_api(unipile.url, key="another") as api:
        with pytest.raises(KeyRefused, match="The API key is missing or not valid"):
            await api.list_endpoints()


async def test_what_unipile_does_not_take_is_said_in_its_words(unipile: StandIn) -> None:
    """An event that there is none of, an account that is not linked."""
    async with hasty_api(unipile.url) as api:
        with pytest.raises(Refused, match=r"story\.new is not a known event type"):
            await api.create_endpoint({**WANTED, "trigger_events": ["story.new"]})
        with pytest.raises(Refused, match="acc_9 is not a linked account"):
            await api.create_endpoint({**WANTED, "account_ids": ["acc_9"]})

    assert unipile.endpoints == {}


@pytest.mark.parametrize("typed", ["../accounts/acc_1", "we_1?x=1", "", "we_1/..", "wé", "a" * 129])
async def test_what_is_no_id_is_never_a_path(unipile: StandIn, typed: str) -> None:
    """Nothing is asked for it."""
    unipile.fail_next("*", "*", 500)
    async with hasty_api(unipile.url) as api:
        with pytest.raises(NoId):
            await api.read_endpoint(typed)
        with pytest.raises(NoId):  # it may be there, so nobody takes it for deleted
            await api.delete_endpoint(typed)

    assert unipile.faults_waiting == 1


# What was done, and the answer got lost.


@pytest.mark.parametrize("fault", LOST, ids=str)
async def test_an_endpoint_is_created_once_whatever_is_lost(unipile: StandIn, fault: Fault) -> None:
    """It is found by its URL, also beside one that was there."""
    old = unipile.add_endpoint(HOOK, ["message.new"])
    unipile.fail_next("POST", COLLECTION, fault)
    async with hasty_api(unipile.url, patience_for(fault)) as api:
        made = await api.create_endpoint(WANTED)

    assert list(unipile.endpoints) == [old.id, made.id]
    assert unipile.endpoints[made.id].secret == made.secret


async def test_an_endpoint_is_created_after_a_failure_that_did_nothing(unipile: StandIn) -> None:
    """Twice at most is not zero times."""
    unipile.fail_next("POST", COLLECTION, 500, times=2)
    async with hasty_api(unipile.url) as api:
        made = await api.create_endpoint(WANTED)

    assert list(unipile.endpoints) == [made.id]


@pytest.mark.parametrize("fault", ["time-out", "cut", 504, 502], ids=str)
async def test_what_may_still_be_under_way_is_not_created_again(
    unipile: StandIn, fault: int | str
) -> None:
    """It is not there now, and may be there in a moment."""
    unipile.fail_next("POST", COLLECTION, fault, times=9)
    async with hasty_api(unipile.url, patience_for(fault)) as api:
        with pytest.raises(Away) as failed:
            await api.create_endpoint(WANTED)

    assert failed.value.may_be_done
    assert unipile.faults_waiting == 8
    assert unipile.endpoints == {}


async def test_a_look_that_fails_hides_no_doubt(unipile: StandIn) -> None:
    """Both failures are said, and that nobody knows."""
    async with hasty_api(unipile.url) as api:
        there = unipile.add_endpoint(HOOK, ["message.new"])
        unipile.fail_next("PATCH", ONE, "broken-json")
        unipile.fail_next("GET", ONE, 401)
        with pytest.raises(Away) as changed:
            await api.update_endpoint(there.id, {"account_ids": []})
        unipile.fail_next("DELETE", ONE, "broken-json")
        unipile.fail_next("GET", ONE, 403)
        with pytest.raises(Away) as deleted:
            await api.delete_endpoint(there.id)

    for failed in (changed, deleted):
        assert failed.value.may_be_done
        assert "Whether it is done is not known: Unipile could not show" in str(failed.value)


@pytest.mark.parametrize("fault", LOST, ids=str)
async def test_a_change_is_made_whatever_is_lost(unipile: StandIn, fault: Fault) -> None:
    """Done twice it comes to the same."""
    there = unipile.add_endpoint(HOOK, ["message.new"])
    unipile.fail_next("PATCH", ONE, fault)
    async with hasty_api(unipile.url, patience_for(fault)) as api:
        changed = await api.update_endpoint(
            there.id, {"description": "", "account_ids": ["acc_2", "acc_1"]}
        )

    assert set(changed.accounts) == {"acc_1", "acc_2"}


@pytest.mark.parametrize("fault", LOST, ids=str)
async def test_a_deletion_is_done_whatever_is_lost(unipile: StandIn, fault: Fault) -> None:
    """What is not there any more was deleted by an attempt before."""
    there = unipile.add_endpoint(HOOK, ["message.new"])
    unipile.fail_next("DELETE", ONE, fault)
    async with hasty_api(unipile.url, patience_for(fault)) as api:
        await api.delete_endpoint(there.id)

    assert unipile.endpoints == {}


async def test_what_was_never_there_is_not_deleted(unipile: StandIn) -> None:
    """A failure that did nothing is no deletion."""
    unipile.fail_next("DELETE", ONE, Fault("status", 429, retry_after="0"))
    async with hasty_api(unipile.url) as api:
        with pytest.raises(NotThere):
            await api.delete_endpoint("we_nowhere")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_doubt_outlives_a_later_refusal(unipile: StandIn, method: str) -> None:
    """The first attempt may have done it, whatever the last one was answered."""
    there = unipile.add_endpoint(HOOK, ["message.new"])
    unipile.fail_next(method, ONE, Fault("cut", done=True))
    unipile.fail_next(method, ONE, Fault("status", 429, retry_after="90"))
    async with hasty_api(unipile.url) as api:
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "PATCH": lambda: api.update_endpoint(there.id, {"account_ids": []}),
            "DELETE": lambda: api.delete_endpoint(there.id),
        }
        with pytest.raises(TooMany) as failed:
            await calls[method]()

    assert failed.value.may_be_done


async def test_one_wish_ends_in_its_time(unipile: StandIn) -> None:
    """All of its requests together: what hangs leaves nothing for another try."""
    unipile.fail_next("POST", COLLECTION, 500, times=9)
    slow = Patience(total_seconds=0.2, request_seconds=0.1, attempts=9, first_pause_seconds=0.2)
    async with hasty_api(unipile.url, slow) as api:
        with pytest.raises(Away):
            await api.create_endpoint(WANTED)

    assert unipile.faults_waiting >= 7


async def test_nobody_there_is_said(unipile: StandIn) -> None:
    """And nothing can have been done, so there is no doubt."""
    await unipile.stop()
    async with hasty_api(unipile.url) as api:
        with pytest.raises(Away, match="failed or was cut") as failed:
            await api.update_endpoint("we_1", {"account_ids": []})

    assert not failed.value.may_be_done
