"""Removes dead letters for good."""

from functools import partial

from redis.asyncio import Redis

from consumers.operations.dead.books import Choice
from consumers.operations.dead.choose import Chosen, bounded, choose
from consumers.operations.dead.fit import Anything
from consumers.operations.dead.tally import Result, Tally
from consumers.operations.insist import insist
from consumers.operations.pace import Pace
from consumers.operations.progress import Report, unheard
from relay.contract.keys import Keys
from relay.contract.logs import Logger

CALL = 256

_log = Logger("consumers.operations.dead")


async def drop(
    redis: Redis,
    keys: Keys,
    choice: Choice,
    *,
    pace: Pace | None = None,
    report: Report = unheard,
) -> Result:
    """Remove dead letters for good: nobody can look at them or redrive them any more.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        choice: Which letters, of those that there are at the start.
        pace: How fast; none for as fast as the store removes them.
        report: Is told after each step what was done so far.

    Returns:
        What was done. A letter that is gone after a reply was lost counts as removed by this run.

    Raises:
        RedisError, OSError: The store was away for a minute, or refuses it; what was done stays.
    """
    tally = Tally(report)
    books = await bounded(redis, keys, choice)
    try:
        async for page in choose(redis, books, choice, Anything()):
            await _remove(redis, page, pace or Pace(None), tally)
    finally:
        done = tally.result
        if done.done:
            _log.warning("dead_letters_dropped", letters=done.done, groups=dict(done.by_group))
    return tally.result


async def _remove(redis: Redis, page: Chosen, pace: Pace, tally: Tally) -> None:
    tally.see(page.seen)
    letters = page.letters
    while letters:
        await pace.wait()
        some = letters[: pace.share(CALL)]
        pace.spend(len(some))
        ids = [letter.letter_id for letter in some]
        removed, unsure = await insist(partial(redis.xdel, page.book.key, *ids))
        tally.do(page.book, len(ids) if unsure else int(removed))
        letters = letters[len(some) :]
