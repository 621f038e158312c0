"""Looks at dead letters: events that a group has set aside, with the reason."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from redis.asyncio import Redis

from relay.contract.connect import text_of
from relay.contract.keys import Keys, endpoint_of

PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead letter.

    Args:
        tag: Endpoint or partition.
        group: Whose it is.
        letter_id: Its entry id in the stream of dead letters.
        fields: Everything it holds, names as in docs/reference/streams.md.
    """

    tag: str
    group: str
    letter_id: str
    fields: dict[str, bytes]

    def text(self, name: str) -> str:
        """Give a field as text, empty where it has none."""
        return self.fields.get(name, b"").decode("utf-8", "replace")

    @property
    def attempts(self) -> int:
        """How many runs failed; 0 where that cannot be read."""
        text = self.text("attempts")
        return int(text) if text.isdecimal() else 0

    @property
    def set_aside_ms(self) -> int:
        """When it was set aside, ms since the epoch by the store's clock."""
        return int(self.letter_id.partition("-")[0])


async def letters(
    redis: Redis, keys: Keys, *, endpoint: str | None = None, group: str | None = None
) -> AsyncIterator[DeadLetter]:
    """Give dead letters, the newest of each book first.

    Args:
        redis: Client with redis-py's retries off.
        keys: Makes the keys.
        endpoint: Only of this endpoint.
        group: Only of this group.
    """
    for tag in sorted(text_of(tag) for tag in await redis.smembers(keys.tags)):
        if endpoint not in {None, endpoint_of(tag)}:
            continue
        for name in await _groups(redis, keys, tag):
            if group in {None, name}:
                async for letter in _book(redis, keys, tag, name):
                    yield letter


async def _book(redis: Redis, keys: Keys, tag: str, group: str) -> AsyncIterator[DeadLetter]:
    newest = "+"
    while True:
        page = await redis.xrevrange(keys.dead(tag, group), max=newest, count=PAGE) or []
        for entry_id, fields in page:
            letter_id = text_of(entry_id or "0-0")
            newest = f"({letter_id}"
            named = {text_of(field): value for field, value in (fields or {}).items()}
            yield DeadLetter(
                tag=tag,
                group=group,
                letter_id=letter_id,
                fields={field: _bytes(value) for field, value in named.items()},
            )
        if len(page) < PAGE:
            return


async def _groups(redis: Redis, keys: Keys, tag: str) -> list[str]:
    """List the groups that have dead letters in a tag, also those that no stream has any more."""
    start = keys.dead(tag, "")
    pattern = "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in start) + "*"
    found = [text_of(key) async for key in redis.scan_iter(match=pattern, count=1000)]
    return sorted(key.removeprefix(start) for key in found)


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
