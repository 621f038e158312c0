"""``relay unipile connect``: one endpoint, one file and one table, whatever happens in between."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from relay.commands.unipile import secret_here
from relay.commands.unipile.connect import arrival, go
from relay.contract.explain import CommandFailed
from relay.rejections import read as rejected
from relay.unipile import UnipileEndpoint
from relay.unipile.api import UnipileApi
from relay.unipile.event_names import KNOWN
from relay.unipile.stand_in import Rules
from tests.relay.commands.unipile.desk import KEY, KEYS, URL, Desk
from tests.waiting import wait_until

pytestmark = pytest.mark.redis

# What making the endpoint meets, and whether it is made all the same; with what the line says.
FAULTS: list[tuple[str | int, bool, str]] = [
    (401, False, "does not take the API key (401)"),
    (403, False, "may not do that (403)"),
    (404, False, "no such thing (404)"),
    (429, False, "too many requests (429)"),
    (500, False, "failed itself (500)"),
    ("time-out", False, "no answer within"),
    ("time-out", True, ""),
    ("half-page", True, ""),
    ("broken-json", True, ""),
]


def assert_one(desk: Desk) -> None:
    """Hold that there is one endpoint, whose secret counts here, and in no file but one."""
    (there,) = desk.there
    assert there.enabled
    assert there.url == URL
    assert desk.secrets() == [there.secret] == desk.files()


async def test_an_empty_account_is_connected(desk: Desk) -> None:
    """Every type, every account; each step has its line."""
    done = await desk.connect()

    assert done.exit_code == 0, done.output
    assert_one(desk)
    assert set(desk.there[0].trigger_events) == set(KNOWN)
    assert desk.there[0].account_ids == ()
    assert "web-1 (process 7) has taken the configuration over" in done.stdout
    (file,) = desk.directory.glob("*.secret")
    assert file.stat().st_mode & 0o777 == 0o600


async def test_again_it_comes_to_the_same(desk: Desk) -> None:
    """And says that all is there."""
    await desk.connect()
    before = (desk.directory / "relay.toml").read_bytes()
    done = await desk.connect("--json")
    said = json.loads(done.stdout)

    assert done.exit_code == 0
    assert_one(desk)
    assert (desk.directory / "relay.toml").read_bytes() == before
    assert (said["did"], said["secret"], said["taken_over"]) == ("found", None, True)


async def test_one_that_is_there_is_taken_over_and_changed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as something was said of it; it is switched on, and keeps its accounts."""
    made = desk.unipile.add_endpoint(URL, ["message.new"], ["acc_1"])
    books = desk.unipile._books.endpoints
    books.update(made.id, b'{"enabled": false}')
    monkeypatch.setattr(books, "_rules", Rules(omitted_accounts_reset=True))
    done = await desk.connect("--event", "chat.*", "--description", "Relay")
    (there,) = desk.there

    assert done.exit_code == 0
    assert_one(desk)
    assert (there.id, there.account_ids) == (made.id, ("acc_1",))
    assert set(there.trigger_events) == {"chat.update", "chat.delete"}
    assert there.description == "Relay"


async def test_one_that_is_taken_over_and_not_changed_has_its_secret_here(desk: Desk) -> None:
    """It delivers all the while; what was done and what was not is said, and is gone on with."""
    made = desk.unipile.add_endpoint(URL, ["message.new"])
    desk.unipile.fail_next("PATCH", "*", 403)
    done = await desk.connect("--event", "chat.*")
    assert (done.exit_code, desk.there) == (1, [made])
    assert_one(desk)
    assert "may not do that (403)" in done.stderr
    assert f"{made.id} was taken over as it was" in done.stderr

    assert (await desk.connect("--event", "chat.*")).exit_code == 0
    assert set(desk.there[0].trigger_events) == {"chat.update", "chat.delete"}
    assert_one(desk)


async def test_accounts_and_events_are_as_wanted(desk: Desk) -> None:
    """What Unipile does not know it refuses in its own words, and nothing is left."""
    refused = await desk.connect("--account", "acc_9")
    assert (refused.exit_code, desk.there, desk.files()) == (1, [], [])
    assert "acc_9 is not a linked account" in refused.stderr

    done = await desk.connect("--account", "acc_2", "--event", "message.new")
    assert done.exit_code == 0
    assert desk.there[0].account_ids == ("acc_2",)
    assert desk.there[0].trigger_events == ("message.new",)
    assert "than it was asked for" not in done.stdout


async def test_what_unipile_makes_otherwise_is_said(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is new, or was changed."""
    for name in ("create_endpoint", "update_endpoint"):
        real = getattr(UnipileApi, name)

        async def all_accounts(
            api: UnipileApi, *given: Any, real: Callable[..., Any] = real
        ) -> UnipileEndpoint:
            *where, wanted = given
            made: UnipileEndpoint = await real(api, *where, {**wanted, "account_ids": []})
            return made

        monkeypatch.setattr(UnipileApi, name, all_accounts)
        done = await desk.connect("--account", "acc_1")
        assert "Unipile has other accounts than it was asked for." in done.stdout


@pytest.mark.parametrize(("fault", "is_done", "says"), FAULTS)
async def test_a_fault_of_unipile_leaves_nothing_by_halves(
    desk: Desk, fault: str | int, is_done: bool, says: str
) -> None:
    """One line, or none where it could be mended; then the same command again succeeds."""
    times = 1 if is_done or fault == "time-out" else 10
    desk.unipile.fail_next("POST", "*/endpoints/", fault, times=times, done=is_done)
    done = await desk.connect()
    if says:
        assert done.exit_code == 1
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert (desk.there, desk.files(), desk.references()) == ([], [], [])
    desk.unipile.clear_faults()

    assert (await desk.connect()).exit_code == 0
    assert_one(desk)


async def test_a_secret_that_cannot_be_kept_takes_the_endpoint_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing signs with what nobody has."""

    def full(*_: object) -> None:
        raise CommandFailed("No space left on device.")

    with monkeypatch.context() as broken:
        broken.setattr(secret_here, "write_draft", full)
        done = await desk.connect()

    assert done.exit_code == 1
    assert "No space left on device." in done.stderr
    assert "deleted again" in done.stderr
    assert (desk.there, desk.references(), desk.files()) == ([], [], [])


async def test_an_endpoint_with_an_id_of_another_form_is_not_called_deleted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said that it is there still."""

    def full(*_: object) -> None:
        raise CommandFailed("No space left on device.")

    monkeypatch.setattr(secret_here, "write_draft", full)
    monkeypatch.setattr("relay.unipile.stand_in.endpoints.new_id", lambda _: "we.1")
    done = await desk.connect()

    assert (done.exit_code, len(desk.there)) == (1, 1)
    assert "The endpoint we.1 was created at Unipile, and could not be deleted" in done.stderr


@pytest.mark.parametrize("secret", ["\0\0", " wes_1", ""])
async def test_a_secret_that_no_file_can_hold_takes_the_endpoint_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    """A gateway would not start with what it reads there."""
    monkeypatch.setattr("relay.unipile.stand_in.endpoints.new_secret", lambda: secret)
    done = await asyncio.to_thread(
        desk.relay,
        *("unipile", "connect", "--public-url", URL, "--unchecked", "--wait", "0"),
        *("--redis-url", desk.server.url),
        UNIPILE_API_KEY=KEY,
        UNIPILE_API_URL=desk.unipile.url,
    )

    assert done.exit_code == 1
    assert "The secret that Unipile gives cannot be used" in done.stderr
    assert (desk.there, list(desk.directory.iterdir())) == ([], [])


async def test_a_gateway_that_refuses_is_said(desk: Desk) -> None:
    """With its faults; what was made stays, and is gone on with."""
    desk.outcome = "refused"
    done = await desk.connect()
    assert done.exit_code == 1
    assert "a fault" in done.stdout
    assert "goes on from here" in done.stderr
    desk.outcome = "taken_over"

    assert (await desk.connect()).exit_code == 0
    assert_one(desk)


async def test_where_no_gateway_answers_it_says_what_to_do(desk: Desk) -> None:
    """It may be one that reads its file at its start only."""
    desk.outcome = ""
    done = await desk.connect()

    assert done.exit_code == 0
    assert "start one now" in done.stdout


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([], "No gateway has said which secrets it has"),
        ([["whs_of-another-endpoint"]], "reads another relay.toml"),
    ],
)
async def test_gateways_that_do_not_have_the_secret_are_no_success(
    desk: Desk, held: list[list[str]], said: str
) -> None:
    """They read another file, in which there is no such endpoint, or one with another secret."""
    desk.held = lambda _: held
    done = await desk.connect("--reload-seconds", "1")
    assert done.exit_code == 1
    assert said in done.stderr
    assert_one(desk)

    desk.held = lambda named: [named]
    assert (await desk.connect()).exit_code == 0
    assert_one(desk)


async def test_nothing_that_comes_in_time_is_a_failure(desk: Desk) -> None:
    """It says where to look; all stays set up."""
    done = await desk.run("connect", "--public-url", URL, "--unchecked", "--wait", "0.1")

    assert done.exit_code == 1
    assert "relay rejections list unipile" in done.stdout
    assert_one(desk)


async def test_a_delivery_has_come_whatever_a_gateways_clock_says(desk: Desk) -> None:
    """The first of a new endpoint, at a gateway whose clock is behind the store's."""
    desk.began_ms -= 60_000
    waiting = asyncio.create_task(
        desk.run("connect", "--public-url", URL, "--unchecked", "--wait", "60")
    )
    await wait_until(lambda: bool(desk.secrets()), description="the endpoint is there")
    desk.have_proved(desk.there[0])

    assert (await waiting).exit_code == 0


async def test_what_was_proved_before_is_enough(desk: Desk) -> None:
    """The second run does not wait for another delivery."""
    await desk.connect()
    desk.have_proved(desk.there[0])
    done = await desk.run("connect", "--public-url", URL, "--unchecked", "--wait", "60")

    assert done.exit_code == 0
    assert "used once" in done.stdout


async def test_what_is_refused_meanwhile_is_said_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its cause; rows from before, and who opens the URL in a browser, are passed over."""
    read: list[Any] = []
    real = rejected.read_row

    async def noted(*given: Any) -> Any:
        read.append(given)
        return await real(*given)

    monkeypatch.setattr(arrival, "read_row", noted)
    row: dict[Any, Any] = {"size": "100", "requestid": "r-1", "provider": "unipile", "query": ""}
    row |= {"client": "192.0.2.1", "headers": "[]", "compared": "{}", "method": "POST"}
    row |= {"body": "{}", "bodybytes": "2", "bodysha256": ""}
    waiting = asyncio.create_task(
        desk.run("connect", "--public-url", URL, "--unchecked", "--wait", "60")
    )
    await wait_until(lambda: bool(desk.references()), description="the secret is kept")
    with desk.server.client() as client:
        at = time.time_ns() // 1_000_000
        for reason, ms in (
            ("timestamp_too_old", at - 60_000),
            ("signature_missing", at),
            ("signature_missing", at),
            ("method_not_allowed", at),
        ):
            client.xadd(KEYS.rejected("unipile"), row | {"reason": reason, "receivedat": ms})
        client.expire(KEYS.rejected("unipile"), 600)
    await wait_until(lambda: len(read) == 2, description="both were looked at")
    desk.have_proved(desk.there[0])
    done = await waiting

    assert done.exit_code == 0
    assert done.stdout.count("Refused (signature_missing): ") == 1
    assert done.stdout.count("Refused (") == 1


async def test_ctrl_c_ends_the_waiting_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """All stays, and it says so."""

    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(go, "first_delivery", interrupted)
    done = await desk.run("connect", "--public-url", URL, "--unchecked", "--wait", "60")

    assert done.exit_code == 1
    assert "What was set up stays" in done.stderr
    assert_one(desk)


async def test_a_url_that_leads_nowhere_stops_it_first(desk: Desk) -> None:
    """Before anything is made."""
    done = await desk.run("connect", "--public-url", "http://127.0.0.1:1")

    assert done.exit_code == 1
    assert "is not reached from here" in done.stderr
    assert (desk.there, desk.files(), desk.references()) == ([], [], [])


async def test_another_server_is_not_taken_for_the_relay(desk: Desk) -> None:
    """The stand-in is one: it answers, and is no gateway."""
    done = await desk.run("connect", "--public-url", desk.unipile.url)

    assert done.exit_code == 1
    assert "does not lead to this relay" in done.stderr
    assert desk.there == []


async def test_several_without_a_secret_here_are_named(desk: Desk) -> None:
    """Which is meant is not to be told."""
    made = [desk.unipile.add_endpoint(URL, ["message.new"]) for _ in range(2)]
    done = await desk.connect()

    assert done.exit_code == 1
    assert all(each.id in done.stderr for each in made)
    assert len(desk.there) == 2


async def test_one_too_many_beside_ours_is_said(desk: Desk) -> None:
    """What it sends is refused; nobody else's is deleted unasked."""
    await desk.connect()
    other = desk.unipile.add_endpoint(URL, ["message.new"])
    done = await desk.connect()

    assert done.exit_code == 0
    assert f"relay unipile endpoints delete {other.id}" in done.stdout
    assert len(desk.there) == 2
