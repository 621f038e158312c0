"""Gives dead letters back to their own group, whose workers handle them as new.

Each is moved in one step of the store: it is a letter, or stands in the stream of what its group
is given again, and never both or none. So a run may end at any moment, and be begun again.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

from redis.asyncio import Redis

from consumers.operations.dead.books import Choice
from consumers.operations.dead.choose import Chosen, Problem, bounded, choose
from consumers.operations.dead.fit import judge_of
from consumers.operations.dead.letters import Book, DeadLetter
from consumers.operations.dead.tally import Result, Tally
from consumers.operations.insist import insist
from consumers.operations.pace import Pace
from consumers.operations.progress import Report, unheard
from relay.contract.connect import RedisError, ResponseError
from relay.contract.control import tell_of_again
from relay.contract.keys import Keys
from relay.contract.logs import Logger
from relay.contract.script import Script
from relay.contract.stream import Stream

# One call keeps the server for about a millisecond.
CALL = 64
BYTES_PER_CALL = 256 * 1024
# What the script says of a letter.
GONE, MOVED = 0, 1

_redrive = Script("consumers", "waiting/member", "waiting/group", "operations/dead/redrive")
_log = Logger("consumers.operations.dead")


async def redrive(
    redis: Redis,
    keys: Keys,
    choice: Choice,
    *,
    pace: Pace | None = None,
    report: Report = unheard,
) -> Result:
    """Give dead letters back to their groups; each is moved once, however often it is asked for.

    A letter that fails again while this runs is a newer one, and is not met again. Begun again
    after an interruption, with the `Plan.until` of the first time as the selection's bound, it
    goes on with what is left.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        choice: Which letters.
        pace: How fast; none for as fast as the store moves them.
        report: Is told after each step what was done so far.

    Returns:
        What was done. A letter that is gone after a reply was lost counts as moved by this run.

    Raises:
        RedisError, OSError: The store was away for a minute, or refuses it; what was done stays.
    """
    tally = Tally(report)
    mover = _Mover(redis, keys, pace or Pace(None), tally)
    books = await bounded(redis, keys, choice)
    judge = await judge_of(redis, keys, books)
    try:
        async for page in choose(redis, books, choice, judge):
            await mover.move(page)
    finally:
        done = tally.result
        if done.done:
            _log.info("dead_letters_redriven", letters=done.done, groups=dict(done.by_group))
    return tally.result


class _Mover:
    """Moves the letters of one page after the other."""

    def __init__(self, redis: Redis, keys: Keys, pace: Pace, tally: Tally) -> None:
        self._redis = redis
        self._keys = keys
        self._pace = pace
        self._tally = tally
        self._told: set[str] = set()

    async def move(self, page: Chosen) -> None:
        """Move a page, type by type."""
        self._tally.see(page.seen)
        self._tally.leave(page.left)
        by_type = defaultdict[str, list[DeadLetter]](list)
        for letter in page.letters:
            by_type[letter.text("type")].append(letter)
        for event_type, letters in by_type.items():
            key = self._keys.again(page.book.tag, page.book.group, event_type)
            stream = Stream(page.book.tag, event_type, key, again=True)
            try:
                await self._move(page.book, stream, letters)
            except ResponseError as error:
                if "WRONGTYPE" not in str(error):
                    raise
                # What stands there must not keep the other types from being moved.
                self._tally.leave((letter, "wrong_key") for letter in letters)

    async def _move(self, book: Book, stream: Stream, letters: Sequence[DeadLetter]) -> None:
        while letters:
            await self._pace.wait()
            some = letters[: self._pace.share(CALL)]
            self._pace.spend(len(some))
            letters = letters[len(some) :]
            unsure = False
            while some:
                ids = [letter.letter_id for letter in some]
                moving = partial(_redrive, self._redis, [book.key, stream.key], book.group)
                call = partial(moving, BYTES_PER_CALL, *ids)
                (answers, made), lost = await insist(call)
                unsure = unsure or lost
                self._count(book, zip(some, answers, strict=False), unsure=unsure)
                some = some[len(answers) :]
                if made or stream.key not in self._told:
                    await self._tell(stream, book.group)

    def _count(
        self, book: Book, answered: Iterable[tuple[DeadLetter, int]], *, unsure: bool
    ) -> None:
        """Count each letter once.

        Where a reply was lost, one that is gone was moved by the call that it was the reply to.
        """
        moved = 0
        for letter, answer in answered:
            if answer == MOVED or (answer == GONE and unsure):
                moved += 1
            else:
                problem: Problem = "gone" if answer == GONE else "too_many_fields"
                self._tally.leave([(letter, problem)])
        self._tally.do(book, moved)

    async def _tell(self, stream: Stream, group: str) -> None:
        """Wake the readers; they look by themselves too, so that it may fail."""
        with suppress(RedisError, OSError):
            await tell_of_again(self._redis, self._keys, stream, group)
        self._told.add(stream.key)
