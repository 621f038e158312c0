"""What the handlers of a worker process were given, and when its group is done."""

from redis.asyncio import Redis

from consumers import Event, Worker
from relay.contract.connect import text_of
from tests.consumers.making import TYPE, make_stream
from tests.waiting import wait_until


class Handled:
    """What the handlers of a test were given.

    Args:
        worker: Where they are declared.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.events: list[Event] = []

    @property
    def ids(self) -> list[str]:
        """The event ids, in order, one for each run."""
        return [event.id for event in self.events]

    async def until(self, *event_ids: str) -> None:
        """Wait until each of these was handled."""
        await wait_until(
            lambda: set(event_ids) <= set(self.ids), description=f"{event_ids} handled"
        )

    async def until_runs(self, count: int) -> None:
        """Wait until there were so many runs."""
        await wait_until(lambda: len(self.events) == count, description=f"{count} runs")


async def settled(store: Redis, event_type: str = TYPE) -> None:
    """Wait until the group has nothing pending and nothing unread."""

    async def done() -> bool:
        (group,) = await store.xinfo_groups(make_stream(event_type).key)
        newest = await store.xrevrange(make_stream(event_type).key, count=1) or []
        read_all = text_of(group["last-delivered-id"]) == text_of(newest[0][0] or b"")
        return read_all and not group["pending"]

    await wait_until(done, description="everything is settled")
