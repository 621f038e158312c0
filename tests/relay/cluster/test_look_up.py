"""Looking for events of the spool on six servers."""

import pytest

from relay.append.spread import SpreadAppender
from relay.contract.connect import ResponseError, connect
from relay.contract.event import IdentifiedEvent
from relay.spool.look_up import Due, LookUp
from relay.spool.row import Row, encode
from tests.clusters import SixNodes
from tests.making import NOW_MS, make_identified
from tests.relay.appending import KEYS
from tests.relay.cluster.load import slot_of, tags_of
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


def due(identified: IdentifiedEvent, at_ms: int) -> Due:
    """Have an event in the spool that was sent at a time."""
    stream = identified.tag, identified.event.type
    return Due(Row(1, stream, encode(identified), at_ms, at_ms), identified)


async def test_the_replicas_asked_are_those_of_the_server_that_has_the_entry(
    six: SixNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of another say nothing of it, and one that hangs holds up its own only."""
    monkeypatch.setattr("relay.spool.look_up.APART_MS", NOW_MS)
    tags = tags_of(six)
    hindered = six.owner(slot_of(tags[0]))
    elsewhere = next(tag for tag in tags if six.owner(slot_of(tag)) is not hindered)
    here, there = (make_identified("evt_1", tag=tag) for tag in (tags[0], elsewhere))
    client = connect(six.url, role="test")
    appender = SpreadAppender(client, KEYS, tags=["unipile"])
    look_up, replica = LookUp(client, KEYS, 1), six.replica_of(hindered)
    replica.fall_asleep()
    try:
        for each in (here, there):
            await appender.append(each)
        await appender.stop()
        with pytest.raises(ResponseError):
            await look_up([due(here, NOW_MS)])
        found = await look_up([due(there, NOW_MS)])
    finally:
        replica.wake_up()

    async def is_found() -> bool:
        try:
            return await look_up([due(here, NOW_MS)]) == {1}
        except ResponseError:
            return False

    await wait_until(is_found, deadline_seconds=20, description="the replica has it")
    await client.aclose()

    assert found == {1}
