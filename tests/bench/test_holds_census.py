"""The census finds what is lost and what is doubled."""

import pytest
from fakeredis import FakeRedis

from bench.holds.census import STREAM, Census, Truth
from bench.holds.numbered import event_id


@pytest.fixture
def redis() -> FakeRedis:
    """A store in memory."""
    return FakeRedis()


def _store(redis: FakeRedis, *numbers: int) -> None:
    for number in numbers:
        redis.xadd(STREAM, {"id": event_id(number)})


def test_what_was_accepted_is_held_against_what_is_stored(redis: FakeRedis) -> None:
    """1 is right, 2 lost, 3 doubled, 4 stored without a 200."""
    _store(redis, 1, 3, 3, 4)
    census = Census(redis)
    census.read_on()
    truth = census.truth(bytes([0, 1, 1, 1, 0]))

    assert truth == Truth(accepted=3, entries=4, lost=1, doubled=1, unasked=1)
    assert not truth.holds


@pytest.mark.parametrize("trim", [True, False])
def test_a_long_stream_is_counted_whole_however_often_it_is_read(
    redis: FakeRedis, *, trim: bool
) -> None:
    """Over several pages, and only what was counted is removed."""
    census = Census(redis)
    _store(redis, *range(2500))
    census.read_on(trim=trim)
    assert redis.xlen(STREAM) == (0 if trim else 2500)
    _store(redis, *range(2500, 2510))
    census.read_on()

    assert census.truth(b"\1" * 2510) == Truth(2510, 2510, 0, 0, 0)
    assert census.truth(b"\1" * 2510).holds
    assert redis.xlen(STREAM) == (10 if trim else 2510)
