"""Following the streams of a cluster, of which a server may be away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from relay.append.spread import SpreadAppender
from relay.commands import follow as follow_module
from relay.commands.follow import follow
from relay.commands.store import Store, StoreSettings
from relay.contract.connect import connect
from relay.contract.entry import decode
from relay.contract.errors import TryLater
from relay.contract.keys import Keys
from relay.contract.patterns import parse_pattern
from tests.clusters import SixNodes
from tests.making import make_identified
from tests.relay.cluster.load import slot_of, tags_of
from tests.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.alone]


@asynccontextmanager
async def following(six: SixNodes) -> AsyncIterator[list[tuple[str, str]]]:
    """Follow everything from the first event on; gives tags and event ids as they come."""
    redis = connect(six.url, role="test")
    store = Store(redis, StoreSettings.load({"REDIS_URL": six.url}, {}))
    seen: list[tuple[str, str]] = []

    async def watch() -> None:
        async with aclosing(follow(store, parse_pattern("*:*"), "0", 0.1)) as found:
            async for each in found:
                seen.append((each.stream.tag, decode(each.fields).id))  # noqa: PERF401 - it never ends

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        await redis.aclose()


@asynccontextmanager
async def appending(six: SixNodes) -> AsyncIterator[SpreadAppender]:
    """Have an appender as a gateway has it."""
    redis = connect(six.url, role="test")
    appender = SpreadAppender(redis, Keys())
    yield appender
    await appender.stop()
    await redis.aclose()


async def put(appender: SpreadAppender, event_id: str, tags: list[str]) -> None:
    """Append an event to each tag, as often as it takes."""
    for tag in tags:
        while True:
            try:
                await appender.append(make_identified(event_id, tag=tag))
            except TryLater:
                continue
            break


async def test_what_other_servers_have_is_shown_while_one_is_away(
    six: SixNodes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named once, and its events are shown when it is back, each once."""
    monkeypatch.setattr(follow_module, "LOOK_SECONDS", 0.2)
    tags = tags_of(six)
    victim = six.owner(slot_of(tags[0]))
    away = [victim, six.replica_of(victim)]
    others = [tag for tag in tags if six.owner(slot_of(tag)) is not victim]
    lines: list[str] = []

    def said() -> list[str]:
        """Give what was said on standard error, all of it."""
        lines.extend(capsys.readouterr().err.splitlines())
        return lines

    async with appending(six) as appender, following(six) as seen:
        await put(appender, "evt_1", tags)
        await appender._redis.sadd(Keys().tags, *tags)
        await wait_until(lambda: len(seen) == len(tags), description="all are shown")
        for node in away:
            node.fall_asleep()
        try:
            for event_id in ("evt_2", "evt_3"):
                await put(appender, event_id, others)
                await wait_until(
                    lambda event_id=event_id: {(tag, event_id) for tag in others} <= set(seen),  # type: ignore[misc]
                    description="the others' are shown",
                )
            await wait_until(lambda: bool(said()), description="it is said")
            meanwhile = list(said())
        finally:
            for node in away:
                node.wake_up()
        await put(appender, "evt_4", tags)
        await wait_until(
            lambda: {(tag, "evt_4") for tag in tags} <= set(seen),
            deadline_seconds=20,
            description="all are shown again",
        )

    assert len(seen) == len(set(seen)) == 2 * len(tags) + 2 * len(others)
    assert meanwhile == [f"Redis at {victim.address} is away; waiting for it."]
    assert set(said()) == set(meanwhile)
