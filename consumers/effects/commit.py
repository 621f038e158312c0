"""What a handler may do in the store on behalf of its event: steps that run once, and a commit.

Every script looks first whether the entry is still pending under this process, so that nothing
begins here after another worker has taken it over.
"""

import inspect
import math
import secrets
from collections.abc import Coroutine, Sequence
from functools import lru_cache
from typing import Any, Literal

import structlog

from consumers.effects.once import Claim, IfUnknown, LeaseLost, State, check_name
from consumers.entry import HeldEntry
from consumers.persist import persist
from consumers.settle import Settler
from relay.contract.script import Script

# How long the reply of a commit can be asked for again, where it was lost.
REPLY_KEPT_SECONDS = 60.0

_begin = Script("consumers", "effects/once")
_end = Script("consumers", "effects/once_end")
_commit_text = Script("consumers", "effects/commit").text
_log = structlog.get_logger("consumers.effects.commit")


class Effects:
    """The effects of one run.

    Args:
        settler: Knows this process; asked only when something is done.
        entry: Pending under it.
    """

    __slots__ = ("_asked", "_entry", "_settler", "committed")

    def __init__(self, settler: Settler, entry: HeldEntry) -> None:
        self._settler = settler
        self._entry = entry
        # Whether the entry is settled by a commit, so that no later failure may park it.
        self.committed = False
        # Made when it is needed: most runs ask for nothing.
        self._asked: list[Coroutine[Any, Any, Any]] | None = None

    def note(self, asked: Coroutine[Any, Any, Any]) -> None:
        """Remember what the handler asked for; see `consumers.effects.once.Steps`."""
        self._asked = [*(self._asked or ()), asked]

    @property
    def asked_for_any(self) -> bool:
        """Whether the handler asked for any."""
        return self._asked is not None

    def abandon(self) -> bool:
        """Give up what the handler asked for and never began.

        Returns:
            Whether anything of what it asked for has not come to its end: to count the event as
            done would lose that.
        """
        if self._asked is None:
            return False
        left = [
            asked
            for asked in self._asked
            if inspect.getcoroutinestate(asked) != inspect.CORO_CLOSED
        ]
        for asked in left:
            if inspect.getcoroutinestate(asked) == inspect.CORO_CREATED:
                asked.close()
        return bool(left)

    async def begin(self, claim: Claim, if_unknown: IfUnknown) -> tuple[State, bytes]:
        """Write that a step begins; see `consumers.effects.once.Steps`."""
        us, entry = self._settler.us, self._entry
        keys = [entry.stream.key, self.place(claim.identity)]
        who = (us.group, us.name, entry.entry_id)
        about = (claim.name, claim.token, if_unknown, claim.keep_ms)
        state, *result = await persist(
            lambda: _begin(us.redis, keys, *who, *about), self._say_waiting
        )
        if state == b"lost":
            raise _lease_lost(f"step {claim.name!r} was not begun")
        return state.decode(), b"".join(result)

    async def end(self, claim: Claim, outcome: Literal["done", "failed"], result: bytes) -> None:
        """Write how a step ended; see `consumers.effects.once.Steps`."""
        us = self._settler.us
        about = (claim.name, claim.token, outcome, result, claim.keep_ms)
        await persist(
            lambda: _end(us.redis, [self.place(claim.identity)], *about), self._say_waiting
        )

    def place(self, identity: str) -> str:
        """Name the key of an event's steps."""
        us = self._settler.us
        return us.keys.once(self._entry.stream.tag, us.group, identity)

    def key(self, name: str) -> str:
        """Make a key that a commit may use.

        Args:
            name: Of the user's choice, 1 to 200 characters; the group's own.

        Raises:
            ValueError: It is not such a text.
        """
        check_name(name, "a key's name")
        us = self._settler.us
        return us.keys.effects(self._entry.stream.tag, us.group, name)

    async def commit(
        self, script: str, keys: Sequence[str], args: Sequence[str | bytes | float]
    ) -> Any:  # noqa: ANN401 - whatever the script returns
        """Run a user's script and acknowledge the entry, both or neither.

        Args:
            script: Lua, with ``KEYS`` and ``ARGV`` of its own.
            keys: All that it touches, of the event's hash tag.
            args: What else it needs.

        Returns:
            The script's reply.

        Raises:
            ValueError: A key is not one that it may touch.
            TypeError: An argument is nothing that can be sent.
            RuntimeError: The event is committed already.
            LeaseLost: The event is in other hands by now, or settled: nothing ran.
            ResponseError: The script failed; the event is not settled.
        """
        self.check_commit(keys, args)
        us, entry = self._settler.us, self._entry
        books = (us.keys.attempts, us.keys.strikes)
        own = [entry.stream.key, *(book(entry.stream.tag, us.group) for book in books)]
        own.append(us.keys.once(entry.stream.tag, us.group, entry.member))
        kept_ms = math.ceil(1000 * REPLY_KEPT_SECONDS)
        about = (us.group, us.name, entry.entry_id, entry.member, secrets.token_hex(8), kept_ms)
        run = _with_commit(script)
        committed, *reply = await persist(
            lambda: run(us.redis, [*own, *keys], *about, *args), self._say_waiting
        )
        if not committed:
            raise _lease_lost("nothing was committed")
        self.committed = True
        return reply[0] if reply else None

    def check_commit(self, keys: Sequence[str], args: Sequence[object]) -> None:
        """Refuse a commit that must not be tried.

        Raises:
            ValueError: A key is not one that it may touch.
            TypeError: An argument is nothing that can be sent.
            RuntimeError: The event is committed already.
        """
        if self.committed:
            raise RuntimeError("the event is committed already: put all effects into one script")
        for key in keys:
            self._check(key)
        for arg in args:
            # The client's refusal would look like a store that is away, which is waited for.
            if isinstance(arg, bool) or not isinstance(arg, str | bytes | int | float):
                raise TypeError(
                    f"an argument of event.commit is a text, bytes or a number, no "
                    f"{type(arg).__name__}"
                )

    def _check(self, key: str) -> None:
        """Refuse a key of another slot, which a cluster would, and one of the relay's own."""
        tag = self._entry.stream.tag
        _, opened, rest = key.partition("{")
        if not opened or rest.partition("}")[0] != tag:
            raise ValueError(
                f"{key!r} may lie in another slot than the event: make it by event.key(…), or give "
                f"it the hash tag {{{tag}}}"
            )
        us = self._settler.us
        groups_own = us.keys.effects(tag, us.group, "")
        if key.startswith(f"{us.keys.prefix}:") and not key.startswith(groups_own):
            raise ValueError(f"{key!r} is the relay's own or another group's: use event.key(…)")

    def _say_waiting(self, error: str) -> None:
        _log.warning("effect_waits_for_store", stream=self._entry.stream.key, error=error)


def _lease_lost(what: str) -> LeaseLost:
    return LeaseLost(f"the event is in other hands by now, or settled: {what}")


@lru_cache(maxsize=256)
def _with_commit(script: str) -> Script:
    """Put a user's script before the step that acknowledges."""
    return Script.of(f"local function effect(KEYS, ARGV)\n{script}\nend\n{_commit_text}")
