"""The refusal log over each kind of store: what is kept of a flood, and within which bounds."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Away

from relay.contract.connect import connect
from relay.contract.duties import cancel
from relay.contract.keys import Keys
from relay.endpoint import Endpoint
from relay.rejections import Rejection, RejectionLog, log, rejection_of
from relay.rejections.rejection import KEPT_BODY_BYTES, KEPT_HEADER_BYTES, read_rejection
from tests.making import NOW_MS, make_endpoint
from tests.relay.commands.rejecting import Room
from tests.servers import Server
from tests.waiting import wait_until

KEYS = Keys()
UNIPILE = make_endpoint()
OTHER = make_endpoint(name="other")
STREAM = KEYS.rejected("unipile")


class Counted:
    """Counts what became of rows."""

    def __init__(self) -> None:
        self.rows: Counter[tuple[str, str]] = Counter()

    def rejection(self, endpoint: str, state: str, rows: int = 1) -> None:
        """Count."""
        self.rows[endpoint, state] += rows


@pytest.fixture
def counted() -> Counted:
    """Nothing counted yet."""
    return Counted()


def make_log(
    client: Redis, counted: Counted, *, is_short: bool = False, is_full: bool = False
) -> RejectionLog:
    """Make the log of one process."""
    names = ["unipile", "other"]
    return RejectionLog(client, KEYS, names, room=Room(is_short, is_full), counts=counted)


def row(
    body: bytes | None = b"{}", reason: str = "signature_mismatch", endpoint: Endpoint = UNIPILE
) -> Rejection:
    """Make a row."""
    return rejection_of(
        endpoint,
        [(b"Content-Type", b"application/json"), (b"X-Odd", b"\xff\xfe"), (b"Cookie", b"s=1")],
        received_at_ms=NOW_MS,
        request_id="abc-1",
        reason=reason,
        body=body,
        query="a=%20b&c=\udcff",
    )


def offer(made: RejectionLog, rows: Sequence[Rejection], endpoint: Endpoint = UNIPILE) -> int:
    """Give rows to the log as the gateway does, and say how many it wanted."""
    wanted = [each for each in rows if made.wants(endpoint.name, each.reason)]
    for each in wanted:
        made.note(endpoint, each)
    return len(wanted)


async def rows_of(client: Redis, name: str = "unipile") -> list[Rejection]:
    """Read all rows of an endpoint."""
    raw: Any = await client.xrange(KEYS.rejected(name))
    found = [read_rejection(name, entry_id.decode(), fields) for entry_id, fields in raw]
    return [each for each in found if each is not None]


async def test_a_row_comes_back_as_it_was_noted(client: Redis, counted: Counted) -> None:
    """Odd bytes of headers and query too; cookies are left out."""
    made = make_log(client, counted)
    noted = row(b"\x00\xff body")
    offer(made, [noted])
    await made.flush()

    (found,) = await rows_of(client)

    assert found.headers == (("Content-Type", "application/json"), ("X-Odd", "\udcff\udcfe"))
    assert found.query == "a=%20b&c=\udcff"
    assert found.body == b"\x00\xff body"
    assert found.body_bytes == 7
    assert (found.id, noted.id) != ("", "")
    assert {name: getattr(found, name) for name in ("reason", "request_id", "received_at_ms")} == {
        "reason": "signature_mismatch",
        "request_id": "abc-1",
        "received_at_ms": NOW_MS,
    }
    assert counted.rows == {("unipile", "kept"): 1, ("unipile", "counted"): 0}
    assert "\\x00" not in repr(found)
    assert "Content-Type" not in repr(found)


async def test_a_long_body_is_left_out_and_known_by_its_digest(
    client: Redis, counted: Counted
) -> None:
    """Up to 256 KiB it is kept whole; beyond that nothing of it is."""
    made = make_log(client, counted)
    offer(made, [row(b"x" * KEPT_BODY_BYTES), row(b"y" * (KEPT_BODY_BYTES + 1)), row(None)])
    await made.flush()

    whole, long, none = await rows_of(client)

    assert whole.body == b"x" * KEPT_BODY_BYTES
    assert (long.body, long.body_bytes) == (None, KEPT_BODY_BYTES + 1)
    assert long.body_sha256 is not None
    assert (none.body, none.body_bytes, none.body_sha256) == (None, None, None)


def test_headers_are_kept_within_a_bound() -> None:
    """A flood of them does not become a long row."""
    many = [(b"x-%d" % number, b"v" * 1000) for number in range(100)]
    found = rejection_of(UNIPILE, many, received_at_ms=1, request_id="r", reason="r", body=b"")

    assert 0 < sum(len(name) + len(value) for name, value in found.headers) <= KEPT_HEADER_BYTES


async def test_of_a_flood_a_few_rows_of_each_reason_are_kept(
    client: Redis, counted: Counted
) -> None:
    """The rest is counted, and one of another reason is kept beside it."""
    made = make_log(client, counted)
    reasons = [
        "signature_mismatch",
        "signature_missing",
        "signature_malformed",
        "handshake_refused",
    ]
    offer(made, [row(reason=reason) for reason in reasons for _ in range(100)])
    offer(made, [row(endpoint=OTHER)], OTHER)
    await made.flush()

    kept = Counter(each.reason for each in await rows_of(client))

    assert dict(kept) == {
        "signature_mismatch": log.ROWS_PER_REASON,
        "signature_missing": log.ROWS_PER_REASON,
        "signature_malformed": 1,
        "handshake_refused": 1,
    }
    assert counted.rows["unipile", "counted"] == 400 - sum(kept.values())
    assert len(await rows_of(client, "other")) == 1


async def test_a_new_second_has_room_for_new_rows(
    client: Redis, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each flush as many are wanted again."""
    made = make_log(client, counted)

    assert offer(made, [row()] * 100) == log.ROWS_PER_REASON
    await made.flush()
    assert offer(made, [row()] * 100) == log.ROWS_PER_REASON


async def test_processes_share_the_bound_of_a_second(
    client: Redis, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store counts what was written in its second, whoever wrote it."""
    monkeypatch.setattr(log, "ROWS_PER_REASON", 50)
    monkeypatch.setattr(log, "ROWS_PER_SECOND", 50)
    processes = [make_log(client, counted) for _ in range(8)]
    for made in processes:
        offer(made, [row()] * 50)
    for made in processes:
        await made.flush()

    raw: Any = await client.xrange(STREAM)
    seconds = Counter(int(entry_id.split(b"-")[0]) // 1000 for entry_id, _ in raw)

    assert max(seconds.values()) <= 50
    assert counted.rows["unipile", "kept"] == len(raw)
    assert counted.rows["unipile", "kept"] + counted.rows["unipile", "counted"] == 400


async def test_the_log_stays_within_its_bytes(
    client: Redis, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest rows go, and the newest are there."""
    monkeypatch.setattr(log, "LOG_BYTES", 1024 * 1024)
    monkeypatch.setattr(log, "ROWS_PER_REASON", 1000)
    monkeypatch.setattr(log, "ROWS_PER_SECOND", 1000)
    made = make_log(client, counted)
    for number in range(40):
        offer(made, [row(b"%03d" % number + b"x" * 100_000)])
        await made.flush()

    found = await rows_of(client)
    held = sum(len(each.body or b"") for each in found)

    assert 800_000 < held <= 1024 * 1024
    assert found[-1].body is not None
    assert found[-1].body.startswith(b"039")


async def test_rows_that_are_too_old_go_also_where_nothing_comes(
    client: Redis, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the whole log expires when its last row is too old."""
    made = make_log(client, counted)
    offer(made, [row()])
    await made.flush()
    assert 0 < await client.pttl(STREAM) <= log.KEEP_MS
    assert await rows_of(client)

    monkeypatch.setattr(log, "KEEP_MS", -60_000)
    await made.tidy()

    assert await rows_of(client) == []


async def test_a_store_that_is_short_of_room_keeps_the_newest_rows_only(
    client: Redis, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Junk at many endpoints must not have it refuse events."""
    monkeypatch.setattr(log, "ROWS_PER_REASON", 20)
    monkeypatch.setattr(log, "ROWS_PER_SECOND", 20)
    made = make_log(client, counted)
    offer(made, [row(b"%02d" % number + b"x" * 200_000) for number in range(20)])
    await made.flush()
    before = await rows_of(client)
    await make_log(client, counted, is_short=True).tidy()

    after = await rows_of(client)

    assert 0 < sum(len(each.body or b"") for each in after) <= log.SHORT_LOG_BYTES
    assert after == before[-len(after) :]


async def test_where_events_are_refused_for_want_of_room_no_row_stays(
    client: Redis, counted: Counted
) -> None:
    """Whoever has filled a store with junk has not closed it for long."""
    made = make_log(client, counted)
    offer(made, [row(), row()])
    await made.flush()
    await make_log(client, counted, is_short=True, is_full=True).tidy()

    assert await rows_of(client) == []


async def test_the_log_is_shortened_as_soon_as_room_is_short(
    client: Redis, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when it is next looked through for what is too old."""
    monkeypatch.setattr(log, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(log, "SHORT_TIDY_SECONDS", 3600.0)
    room, taken_out = Room(), Counter[int]()

    async def calls(_: Any, __: Redis, calls: Sequence[Any]) -> list[Any]:
        taken_out.update(arguments[0] for _, arguments in calls)
        return [[0, 0]] * len(calls)

    monkeypatch.setattr(type(log._keep), "many", calls)
    made = RejectionLog(client, KEYS, ["unipile"], room=room, counts=counted)
    flush, flushes = made.flush, Counter[int]()

    async def counted_flush() -> None:
        flushes[0] += 1
        await flush()

    monkeypatch.setattr(made, "flush", counted_flush)
    running = asyncio.create_task(made.run())
    await wait_until(lambda: taken_out[log.LOG_BYTES] == 1, description="it is tidied")
    room.is_short = True
    await wait_until(lambda: taken_out[log.SHORT_LOG_BYTES] == 1, description="it is shortened")
    room.is_full = True
    await wait_until(lambda: taken_out[0] == 1, description="it is emptied")
    room.is_full, seen = False, flushes[0]
    await wait_until(lambda: flushes[0] > seen + 2, description="it has looked again")
    room.is_full = True
    await wait_until(lambda: taken_out[0] == 2, description="it is emptied again")
    await cancel([running])

    assert dict(taken_out) == {log.LOG_BYTES: 1, log.SHORT_LOG_BYTES: 1, 0: 2}


async def test_a_store_that_is_short_of_room_gets_no_rows(client: Redis, counted: Counted) -> None:
    """What room there is belongs to events."""
    made = make_log(client, counted, is_short=True)

    assert offer(made, [row()] * 3) == 0
    assert counted.rows == {("unipile", "counted"): 3}


async def test_rows_that_the_store_does_not_take_are_lost_and_counted(
    client: Redis, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is kept for later, and nothing is raised."""

    async def away(*_: Any) -> list[Any]:
        raise Away

    made = make_log(client, counted)
    offer(made, [row(), row()])
    with monkeypatch.context() as patched:
        patched.setattr(type(log._keep), "many", away)
        await made.flush()
    await made.flush()

    assert await rows_of(client) == []
    assert counted.rows == {("unipile", "lost"): 2}


async def test_what_waits_is_bounded_in_memory(client: Redis, counted: Counted) -> None:
    """Many endpoints with long bodies do not fill the process."""
    made = make_log(client, counted)
    endpoints = [make_endpoint(name=f"e{number}") for number in range(20)]
    for endpoint in endpoints:
        offer(made, [row(b"x" * KEPT_BODY_BYTES, endpoint=endpoint)] * 5, endpoint)

    # What was wanted before the last was there.
    assert made._waiting_bytes <= log.WAITING_BYTES + 5 * KEPT_BODY_BYTES
    assert sum(counted.rows.values()) > 0


async def test_long_heads_are_bounded_in_memory(client: Redis, counted: Counted) -> None:
    """A request without a body may hold as much."""
    made = make_log(client, counted)
    heads = [(b"x-%d" % number, b"\xff" * 8000) for number in range(4)]
    long = rejection_of(
        UNIPILE, heads, received_at_ms=1, request_id="r", reason="signature_missing"
    )
    for number in range(100):
        offer(made, [long] * 5, make_endpoint(name=f"e{number}"))

    held = sum(len(value) for _, each in made._waiting for _, value in each.headers)

    assert held <= log.WAITING_BYTES + 5 * KEPT_HEADER_BYTES


async def test_a_store_that_answers_nothing_holds_up_no_flush_for_each_endpoint(
    client: Redis, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its patience was not enough for is lost and counted."""
    asked = []

    async def hangs(*_: Any) -> list[Any]:
        asked.append(1)
        raise Away

    made = make_log(client, counted)
    endpoints = [make_endpoint(name=f"e{number}") for number in range(9)]
    offered = sum(offer(made, [row(endpoint=each)], each) for each in endpoints)
    with monkeypatch.context() as patched:
        patched.setattr(log, "PATIENCE_SECONDS", 0.0)
        patched.setattr(type(log._keep), "many", hangs)
        await made.flush()

    assert len(asked) <= 1
    assert sum(rows for (_, state), rows in counted.rows.items() if state == "lost") == offered
    assert made._waiting == []


async def test_a_key_that_is_no_stream_costs_the_rows_only(client: Redis, counted: Counted) -> None:
    """The gateway goes on, and what stands there stays."""
    await client.set(STREAM, "mine", ex=60)
    made = make_log(client, counted)
    offer(made, [row()])
    await made.flush()

    assert await client.get(STREAM) == b"mine"
    assert counted.rows["unipile", "lost"] == 1


@pytest.mark.redis
async def test_sixteen_mebibytes_are_what_the_store_gives_it(
    server: Server, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filled with rows of many sizes, the log takes no more memory than its bound."""
    client = connect(server.url, role="test")
    monkeypatch.setattr(log, "ROWS_PER_REASON", 10_000)
    monkeypatch.setattr(log, "ROWS_PER_SECOND", 10_000)
    made = make_log(client, counted)
    for size in (0, 100, 1000, 4000, 60_000, KEPT_BODY_BYTES) * 3:
        offer(made, [row(b"x" * size)] * min(2000, 4_000_000 // (size + 500)))
        await made.flush()

    taken: Any = await client.memory_usage(STREAM, samples=0)
    await client.aclose()

    assert 10 * 1024 * 1024 < taken <= log.LOG_BYTES


async def test_no_call_is_long_whatever_makes_its_rows_long(
    client: Redis, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store answers nobody else meanwhile."""
    brought: list[int] = []

    async def taken(_: Any, __: Redis, calls: Sequence[Any]) -> list[Any]:
        brought.extend(sum(len(str(part)) for part in arguments) for _, arguments in calls)
        return [[0, 0]] * len(calls)

    made = make_log(client, counted)
    heads = [(b"x-%d" % number, b"\xff" * 8000) for number in range(4)]
    for reason in ("signature_missing", "signature_mismatch"):
        long = rejection_of(UNIPILE, heads, received_at_ms=1, request_id="r", reason=reason)
        offer(made, [long] * 5)
    with monkeypatch.context() as patched:
        patched.setattr(type(log._keep), "many", taken)
        await made.flush()

    assert sum(brought) > log.CALL_BYTES
    assert max(brought) <= log.CALL_BYTES


@pytest.mark.redis
async def test_odd_bytes_in_long_heads_do_not_outgrow_the_log(
    server: Server, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each such byte is kept as six, so that a row is long whose request was not."""
    client = connect(server.url, role="test")
    monkeypatch.setattr(log, "ROWS_PER_REASON", 10_000)
    monkeypatch.setattr(log, "ROWS_PER_SECOND", 10_000)
    monkeypatch.setattr(log, "LOG_BYTES", 4 * 1024 * 1024)
    heads = [(b"x-%d" % number, b"\xff" * 8000) for number in range(4)]
    long = rejection_of(
        UNIPILE, heads, received_at_ms=1, request_id="r", reason="signature_missing"
    )
    made = make_log(client, counted)
    for _ in range(6):
        offer(made, [long] * 17)
        await made.flush()

    taken: Any = await client.memory_usage(STREAM, samples=0)
    await client.aclose()

    assert 1024 * 1024 < taken <= log.LOG_BYTES


async def test_many_short_rows_make_room_for_long_ones_a_few_hundred_at_a_time(
    client: Redis, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until there is room, and no call is long."""
    monkeypatch.setattr(log, "ROWS_PER_REASON", 10_000)
    monkeypatch.setattr(log, "ROWS_PER_SECOND", 10_000)
    monkeypatch.setattr(log, "LOG_BYTES", 2 * 1024 * 1024)
    made = make_log(client, counted)
    offer(made, [row()] * 2500)
    await made.flush()
    before: Any = await client.xlen(STREAM)

    offer(made, [row(b"x" * KEPT_BODY_BYTES)] * 5)
    await made.flush()
    after: Any = await client.xlen(STREAM)
    books: Any = await client.hget(KEYS.rejected_books("unipile"), "bytes")

    assert before - after > 2 * 512
    assert int(books) <= log.LOG_BYTES
