"""Going through tags: what stands in the way of one does not keep a duty from the others."""

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from consumers import tags
from consumers.skips import Skips
from relay.contract.connect import ResponseError, connect
from tests.consumers.making import us

PLACES = {"a": "one:1", "b": "one:1", "c": "two:2"}


@pytest.fixture
def in_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two of three tags on the first of two servers, without any server."""
    monkeypatch.setattr(tags, "is_cluster", lambda _: True)
    monkeypatch.setattr(tags, "_place", lambda _, tag: PLACES[tag])


async def visited(error: Exception) -> tuple[list[str], list[Any]]:
    """Go through all tags, of which the first fails; give those that were come to, and the log."""
    seen: list[str] = []

    async def step(tag: str) -> None:
        seen.append(tag)
        if tag == "a":
            raise error

    skips = Skips("park")
    with capture_logs() as logs:
        for _ in range(2):
            await tags.in_each(us(connect("redis://127.0.0.1:1", role="test")), "abc", step, skips)
    return seen, [(line["what"], line["error"]) for line in logs]


async def test_a_refusal_is_passed_over_and_said_once() -> None:
    """A key of a wrong type in one tag's books is nothing to the others."""
    seen, said = await visited(ResponseError("WRONGTYPE Operation against a key"))

    assert seen == [*"abc", *"abc"]
    assert said == [("a", "WRONGTYPE")]


async def test_a_store_that_is_away_is_away_for_all() -> None:
    """Each tag would be waited for as long as the first."""
    with pytest.raises(RedisConnectionError):
        await visited(RedisConnectionError("away"))


@pytest.mark.usefixtures("in_cluster")
async def test_a_server_that_is_away_keeps_its_own_tags_only() -> None:
    """Its next tag is not waited for, and those of others are looked after."""
    seen, said = await visited(RedisConnectionError("away"))

    assert seen == [*"ac", *"ac"]
    assert said == [("a", "ConnectionError")]
