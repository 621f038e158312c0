"""What people are shown of accounts."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from relay.contract.keys import Keys
from tests.relay.commands.conftest import Relay
from tests.servers import Server

pytestmark = pytest.mark.redis

KEYS = Keys()


def ago(**time: float) -> str:
    """Write a time that is so long ago."""
    at = datetime.now(UTC) - timedelta(**time)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


DROPPED, BACK, AGAIN = ago(hours=3), ago(hours=2), ago(hours=1)


@pytest.fixture
def filled(one_server: Server) -> Server:
    """A store with two endpoints, one of them with partitions."""
    gaps = [
        {"opened": ago(days=30), "closed": ago(days=29), "announced": True},
        {"opened": DROPPED, "closed": BACK, "product": "classic", "announced": True},
        {"opened": ago(hours=5), "closed": BACK, "gone": True},
    ]
    away = {"status": "errored", "since": AGAIN, "open": [{"opened": AGAIN}]}
    removed = {"status": "removed", "since": BACK, "open": [{"opened": DROPPED}]}
    with one_server.client() as client:
        client.sadd(KEYS.tags, "mail#0", "mail#1", "unipile")
        client.hset(KEYS.accounts("mail#1"), "acc_1", json.dumps(away))
        client.hset(KEYS.gaps("mail#1"), "acc_1", json.dumps({"gaps": gaps, "changes": []}))
        client.hset(KEYS.accounts("unipile"), "acc_2", json.dumps(removed))
    return one_server


def test_every_account_is_shown_as_it_is(relay: Relay, filled: Server) -> None:
    """Of all endpoints and partitions; only gaps of the last week count, and of those that stand.

    For a removed account nothing is to be fetched, so it is not away.
    """
    done = relay("unipile", "accounts", "--json", REDIS_URL=filled.url)

    assert done.exit_code == 0
    common = {"product": None}
    assert json.loads(done.stdout) == [
        common
        | {"endpoint": "mail", "tag": "mail#1", "account": "acc_1", "status": "errored"}
        | {"since": AGAIN, "away_since": AGAIN, "gaps": 1},
        common
        | {"endpoint": "unipile", "tag": "unipile", "account": "acc_2", "status": "removed"}
        | {"since": BACK, "away_since": None, "gaps": 0},
    ]


def test_the_gaps_of_one_endpoint_are_shown(relay: Relay, filled: Server) -> None:
    """Those that have not closed too, in the order in which they opened."""
    done = relay("unipile", "accounts", "mail", "--gaps", "--json", REDIS_URL=filled.url)
    rows = json.loads(done.stdout)

    assert [(row["opened"], row["closed"], row["announced"]) for row in rows[1:]] == [
        (DROPPED, BACK, True),
        (AGAIN, None, False),
    ]
    assert {row["account"] for row in rows} == {"acc_1"}
    assert rows[1]["product"] == "classic"
    assert 3599 < rows[1]["seconds"] < 3601


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], "relay worker consumers.unipile:gaps"),
        (["other"], "any account of other"),
        (["--gaps"], "relay worker consumers.unipile:gaps"),
    ],
)
def test_where_nothing_is_known_it_says_who_makes_it_known(
    relay: Relay, one_server: Server, asked: list[str], said: str
) -> None:
    """A table without rows would look as if all were well."""
    done = relay("unipile", "accounts", *asked, REDIS_URL=one_server.url)

    assert done.exit_code == 0
    assert said in done.stdout


@pytest.mark.parametrize("is_removed", [True, False])
def test_accounts_that_are_not_away_have_no_gaps(
    relay: Relay, filled: Server, is_removed: bool
) -> None:
    """That is said otherwise than that nothing is known."""
    if not is_removed:
        with filled.client() as client:
            client.hset(KEYS.accounts("unipile"), "acc_2", '{"status":"running","since":"x"}')
    done = relay("unipile", "accounts", "unipile", "--gaps", REDIS_URL=filled.url)

    assert "No account of unipile was away" in done.stdout


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(relay: Relay, filled: Server) -> None:
    """Exit code 1, since the list is not whole."""
    with filled.client() as client:
        client.hset(KEYS.accounts("mail#1"), mapping={"odd": "no JSON", "other": "[]"})
        client.hset(KEYS.gaps("mail#1"), "acc_1", b"\xff")
        client.set(KEYS.accounts("mail#0"), "text", ex=60)
        client.set(KEYS.gaps("unipile"), "text", ex=60)
    done = relay("unipile", "accounts", REDIS_URL=filled.url)

    assert done.exit_code == 1
    assert "acc_1" in done.stdout
    assert "acc_2" in done.stdout
    assert "2 of relay:{mail#1}@accounts cannot be read" in done.stderr
    assert "1 of relay:{mail#1}@gaps cannot be read" in done.stderr
    assert "relay:{mail#0}@accounts is a string" in done.stderr
    assert "relay:{unipile}@gaps is a string" in done.stderr


def test_more_accounts_than_fit_a_page_are_each_shown_once(
    relay: Relay, one_server: Server
) -> None:
    """A hash of thousands is read in pages."""
    status = '{"status":"running","since":"2026-10-12T09:00:00.000Z"}'
    with one_server.client() as client:
        client.sadd(KEYS.tags, "unipile")
        client.hset(
            KEYS.accounts("unipile"), mapping={f"acc_{number}": status for number in range(3000)}
        )
    done = relay("unipile", "accounts", "--json", REDIS_URL=one_server.url)
    names = [row["account"] for row in json.loads(done.stdout)]

    assert sorted(names) == sorted(f"acc_{number}" for number in range(3000))


def test_a_name_that_is_none_is_wrong_usage(relay: Relay, one_server: Server) -> None:
    """Named as it was written."""
    done = relay("unipile", "accounts", "No Name", REDIS_URL=one_server.url)

    assert done.exit_code == 2
    assert "No Name" in done.stderr
