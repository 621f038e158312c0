"""Events whose handlers may act in the store, as the pipeline makes them."""

from typing import Any

from redis.asyncio import Redis

from consumers.effects.commit import Effects
from consumers.event import Event
from relay.contract.entry import decode
from relay.contract.script import Script
from tests.consumers.making import GROUP, make_stream
from tests.consumers.settling import Scene

COUNT_UP = "return redis.call('INCRBY', KEYS[1], ARGV[1])"


def effects_of(scene: Scene) -> Effects:
    """Give the effects of one more run."""
    return Effects(scene.settler, scene.entry)


def event_of(scene: Scene, effects: Effects | None = None) -> Event:
    """Give the scene's event as one more run of the handler gets it."""
    return Event(
        decode(scene.entry.fields),
        entry_id=scene.entry.entry_id,
        attempt=1,
        effects=effects or effects_of(scene),
    )


async def given_to_another(store: Redis, entry_id: str) -> None:
    """Have another worker take an entry over."""
    await store.xclaim(make_stream().key, GROUP, "other", 0, [entry_id], justid=True)


class ReplyLost:
    """A script whose first reply is lost on the way.

    Args:
        script: The real one.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self.calls = 0

    async def __call__(self, *arguments: Any) -> Any:
        """Run it, and lose the reply of the first run."""
        reply = await self._script(*arguments)
        self.calls += 1
        if self.calls == 1:
            raise ConnectionError("reset on the way back")
        return reply
