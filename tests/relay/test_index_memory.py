"""How the dedupe index grows, and what it takes of a real server's memory.

The clock is moved by the test, so what would have expired by then is deleted by the test, by the
expiry that the server has for it.
"""

from collections import Counter
from typing import Any

import pytest
from redis import Redis

from relay.commands.check.index import BYTES_PER_ID
from relay.contract.event import Appended
from tests.conftest import StartServer
from tests.making import make_identified
from tests.relay.clocked import KEYS, TAG, InMemory, OnServer
from tests.servers import Server

WINDOW_SECONDS = 240
SLICE_MS = 500 * WINDOW_SECONDS
BOOK = KEYS.seen(TAG, "ids")
BATCH = 100


class Sender:
    """Sends events that nobody has seen, as time goes by."""

    def __init__(self, store: InMemory | OnServer) -> None:
        self.store = store
        store.now_ms += SLICE_MS - store.now_ms % SLICE_MS
        # When each batch was sent.
        self.sent: list[tuple[int, int]] = []

    def send(self, events: int, over_ms: int) -> None:
        """Send so many events, spread evenly over a time."""
        begin, begun_ms = sum(count for _, count in self.sent), self.store.now_ms
        for start in range(0, events, BATCH):
            self.store.now_ms = begun_ms + over_ms * start // events
            count = min(BATCH, events - start)
            batch = (
                make_identified(f"evt_{begin + start + n}", "a", window_seconds=WINDOW_SECONDS)
                for n in range(count)
            )
            results = [verdict.result for verdict in self.store.append(*batch)]

            assert {type(result) for result in results} == {Appended}
            self.sent.append((self.store.now_ms, count))
        self.store.now_ms = begun_ms + over_ms

    def in_window(self) -> int:
        """Say how many events the promise covers now."""
        begin_ms = self.store.now_ms - 1000 * WINDOW_SECONDS
        return sum(count for sent_ms, count in self.sent if sent_ms > begin_ms)

    def slices(self) -> list[tuple[int, int]]:
        """Give buckets and marks of each slice, oldest first."""
        found: Any = self.store.client.hgetall(BOOK)
        pairs = (found[name].split() for name in sorted(found))
        return [(int(buckets, 36), int(marks, 36)) for buckets, marks in pairs]


def sizes(*events: int) -> list[int]:
    """Say with how many buckets the last slice but one begins, after slices of so many events."""
    sender = Sender(InMemory())
    for count in events:
        sender.send(count, SLICE_MS)
    return [buckets for buckets, _ in sender.slices()]


def test_a_slice_begins_as_large_as_the_last_ones_were() -> None:
    """The first one grows by generations; after it one generation is enough."""
    sender = Sender(InMemory())
    sender.store.now_ms += SLICE_MS // 2
    sender.send(500, SLICE_MS // 2)
    for _ in range(4):
        sender.send(1000, SLICE_MS)
    names: Any = sender.store.client.keys(f"{BOOK}:*:*:*:*")
    generations = Counter(number for number, _ in {tuple(n.split(b":")[4:6]) for n in names})

    assert sender.slices() == [(1, 500), (7, 1000), (13, 1000), (13, 1000), (13, 1000)]
    # Those of the first two have expired.
    assert list(generations.values()) == [1, 1, 1]


@pytest.mark.parametrize(
    ("events", "buckets"),
    [
        # A burst, in a slice or across a border, is nothing to go by.
        ((200, 200, 200, 1000, 200, 200), [3, 3, 3, 3, 3]),
        ((200, 200, 200, 1000, 1000, 200, 200), [3, 3, 3, 3, 3]),
        ((200, 200, 1000, 1000, 200, 200), [3, 3, 3, 3, 3]),
        # What stays is.
        ((200, 200, 800, 800, 800, 800), [3, 3, 3, 3, 10]),
        ((800, 800, 200, 200), [1, 10, 10, 3]),
    ],
)
def test_what_a_slice_is_sized_by(events: tuple[int, ...], buckets: list[int]) -> None:
    """The least of the last three, so that no slice of nearly empty buckets is left behind."""
    assert sizes(*events) == buckets


def test_the_book_forgets_slices_that_are_dead() -> None:
    """It does not grow, however long events come."""
    sender = Sender(InMemory())
    longest = 0
    for _ in range(12):
        sender.send(10, SLICE_MS)
        longest = max(longest, len(sender.slices()))

    assert longest == 5


class Measured:
    """What the index takes of a server's memory: its keys, and the tables that they are found by.

    Not told from all that the server has taken: connections' buffers, which come and go as time
    goes by, would be some bytes an id.
    """

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.sender = Sender(OnServer(client))
        self.worst = 0.0

    def send(self, events: int, over_ms: int, *, parts: int = 10) -> None:
        """Send, looking at the memory several times on the way."""
        for part in range(parts):
            self._measure()
            share = events * (part + 1) // parts - events * part // parts
            self.sender.send(share, over_ms // parts)
        self._measure()

    def _measure(self) -> None:
        delete_dead(self.client, self.sender.store.now_ms)
        covered = self.sender.in_window()
        if covered:
            self.worst = max(self.worst, self._taken() / covered)

    def _taken(self) -> int:
        asked = self.client.pipeline(transaction=False)
        for name in index_keys(self.client):
            asked.memory_usage(name, samples=0)
        keys: list[int] = asked.execute()
        stats: Any = self.client.memory_stats()
        tables: dict[str, int] = stats["db.0"]
        return sum(keys) + tables["overhead.hashtable.main"] + tables["overhead.hashtable.expires"]


def index_keys(client: Redis) -> Any:
    """List what the index has."""
    return client.keys("*@seen*")


def delete_dead(client: Redis, now_ms: int) -> None:
    """Delete what the server would have expired by then."""
    seconds, microseconds = client.time()
    names = index_keys(client)
    # Not one by one: the index has thousands of them.
    asked = client.pipeline(transaction=False)
    for name in names:
        asked.pttl(name)
    left: Any = asked.execute()

    assert -1 not in left

    ends = zip(names, left, strict=True)
    for name, left_ms in ends:
        if 1000 * seconds + microseconds // 1000 + left_ms < now_ms:
            client.delete(name)


@pytest.fixture
def redis_7(start_server: StartServer) -> Server:
    """The server for which the figures are given, with nothing of other tests in its memory."""
    return start_server("redis", "none")


@pytest.mark.redis
@pytest.mark.parametrize("ids", [10_000, 30_000])
def test_it_takes_64_bytes_for_each_id_of_the_window(redis_7: Server, ids: int) -> None:
    """From a cold start on, over four rollovers, at the worst moment of each slice."""
    with redis_7.client() as client:
        measured = Measured(client)
        # Where few ids were sent so far, what an index has at all counts for much.
        measured.send(ids // 2, SLICE_MS, parts=2)
        for _ in range(6):
            measured.send(ids // 2, SLICE_MS)
        client.flushall()

    assert measured.worst <= BYTES_PER_ID


@pytest.mark.redis
def test_a_burst_costs_no_more_for_each_id(redis_7: Server) -> None:
    """While a hundredfold burst is within the window, and once it has left the index."""
    ids = 10_000
    with redis_7.client() as client:
        measured = Measured(client)
        for _ in range(4):
            measured.send(ids // 2, SLICE_MS)
        measured.worst = 0.0
        # For a twentieth of a slice, across a border.
        measured.send(ids // 2 * 39 // 40, SLICE_MS * 39 // 40)
        measured.send(100 * ids // 2 // 20, SLICE_MS // 20)
        measured.send(ids // 2, SLICE_MS)
        burst = measured.worst
        # The slices that hold it outlive it by half a window, and by what expiry is spread over.
        for _ in range(2):
            measured.send(ids // 2, SLICE_MS)
        measured.send(ids // 2 // 20, SLICE_MS // 20)
        measured.worst = 0.0
        for _ in range(4):
            measured.send(ids // 2, SLICE_MS)
        client.flushall()

    assert burst <= BYTES_PER_ID
    assert measured.worst <= BYTES_PER_ID


@pytest.mark.redis
@pytest.mark.parametrize("ids", [8, 100, 1000])
def test_few_ids_take_no_more_than_a_key_for_each(redis_7: Server, ids: int) -> None:
    """From eight on, where it is hardly worth the trouble."""
    with redis_7.client() as client:
        sender = Sender(OnServer(client))
        worst = 0
        for _ in range(6):
            sender.send(ids // 2, SLICE_MS)
            delete_dead(client, sender.store.now_ms)
            worst = max(worst, sum(size_bytes(client, name) for name in index_keys(client)))
        client.flushall()
        # The digest as text, the entry's id and type, and four bytes of the body's digest.
        plain = KEYS.seen(TAG, 22 * "x")
        client.set(plain, "1791796448123-0 5a5a5a5a message.new", px=1000 * WINDOW_SECONDS)
        one_key = size_bytes(client, plain)
        client.flushall()

    assert worst <= ids * one_key


def size_bytes(client: Redis, name: str) -> int:
    """Say what a key takes, without its part in the tables of keys and expiries."""
    size: Any = client.memory_usage(name)
    return int(size)
