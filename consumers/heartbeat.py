"""Tells the other workers that this process lives, from a thread of its own.

A handler that blocks the event loop must not look like a dead process, so the beat does not
depend on the loop. It watches the loop all the same: a loop that stands still for minutes is as
good as dead, and then the beat stops.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from redis import Redis  # noqa: TC002 - it is in the public signature
from redis.exceptions import RedisError, ResponseError

from consumers.lease import Lease
from relay.contract.cluster.threaded import ThreadedClusterRedis, primaries_of
from relay.contract.connect_sync import connect_sync
from relay.contract.script import Script

BEAT_SECONDS = 5.0
# No beat for this long means dead.
DEAD_SECONDS = 15.0
RETRY_SECONDS = 1.0
STALL_LOGGED_SECONDS = 5.0
STALL_DEAD_SECONDS = 300.0
TIMEOUT_SECONDS = 2.0

_hold = Script("consumers", "hold")
_log = structlog.get_logger("consumers.heartbeat")


class Heartbeat:
    """Beats for one process.

    Args:
        url: The store.
        key: This process's heartbeat key.
        clock: Monotonic seconds.
    """

    def __init__(self, url: str, key: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = connect_sync(
            url, timeout_seconds=TIMEOUT_SECONDS, on_connect=self._has_connected
        )
        self._key = key
        self._clock = clock
        self._stopping = threading.Event()
        self._first_beat = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._last_tick = clock()
        self._answering_since: float | None = None
        # The processes that were the store at the last beat.
        self._servers: set[str] = set()
        self._is_new_connection = True
        self._stalled = False
        # Called after each beat, with the client: what lives as long as the beat does.
        self.on_beat: Callable[[Redis], None] = lambda _: None
        self._last_beat: float | None = None
        self._lapses = 0
        self._lease = self._new_lease()

    def start(self) -> None:
        """Begin to beat."""
        # Until now nothing has ticked: what was opened before may have taken minutes.
        self.tick()
        self._thread.start()

    def tick(self) -> None:
        """Say that the event loop runs."""
        self._last_tick = self._clock()

    def may_take_over(self) -> bool:
        """Tell whether a missing heartbeat of another process means that it is dead.

        Only when the store has answered without a break for one whole dead time: during an
        outage, heartbeats expire of which the owners live.
        """
        since = self._answering_since
        return since is not None and self._clock() - since >= DEAD_SECONDS

    def beats(self) -> bool:
        """Tell whether the last beat reached the store."""
        return self._answering_since is not None

    @property
    def age_seconds(self) -> float | None:
        """How long ago the last beat that reached the store was sent; none before the first."""
        last = self._last_beat
        return None if last is None else max(0.0, self._clock() - last)

    @property
    def is_stalled(self) -> bool:
        """Whether the event loop has stood still for so long that it counts as dead."""
        begun = self._thread.ident is not None
        return begun and self._clock() - self._last_tick >= STALL_DEAD_SECONDS

    def lease(self) -> Lease:
        """Give what an entry that is read now is held by.

        It is lost when this process has counted as dead since then, however well it beats now:
        others may have taken the entry over in between.
        """
        return self._lease

    @property
    def has_ended(self) -> bool:
        """Whether nothing beats any more though nobody has stopped it: a fault."""
        begun = self._thread.ident is not None
        return begun and not self._thread.is_alive() and not self._stopping.is_set()

    def wait_for_beat(self) -> None:
        """Block until a beat has reached the store, or `stop`."""
        self._first_beat.wait()

    def stop(self) -> None:
        """Beat no more, and say at once that this process is gone."""
        self._stopping.set()
        self._first_beat.set()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_SECONDS)
        if not self._thread.is_alive():  # else the store hangs, and would keep us too
            with suppress(RedisError, OSError):  # the beat expires by itself
                self._redis.delete(self._key)
        self._redis.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_seconds = BEAT_SECONDS
            try:
                if self._loop_lives():
                    self._beat_and_renew()
            except (RedisError, OSError) as error:
                if self._answering_since is not None:
                    _log.warning("heartbeat_missed", error=type(error).__name__)
                self._answering_since = None
                wait_seconds = RETRY_SECONDS
                # Whoever answered may have become a replica: the next beat looks for the primary.
                self._redis.connection_pool.disconnect()
            self._stopping.wait(wait_seconds)

    def _beat_and_renew(self) -> None:
        try:
            self._beat()
        except (RedisError, OSError):
            if isinstance(self._redis, ThreadedClusterRedis):
                self.on_beat(self._redis)  # what it renews may lie elsewhere
            raise
        self.on_beat(self._redis)

    def _beat(self) -> None:
        dead_ms = int(1000 * DEAD_SECONDS)
        sent_at = self._clock()
        # Neither is refused by a full server.
        if not self._redis.pexpire(self._key, dead_ms):
            # Ours has expired though we live: then so may have others'.
            self._answering_since = None
            self._lapses += 1
            self._lease = self._new_lease()
            self._redis.eval(_hold.text, 1, self._key, "1", str(dead_ms))
        # By when it was sent: the store may have had it at any time since.
        self._last_beat = sent_at
        restarted = self._restarted()
        if self._answering_since is None or restarted:
            self._answering_since = self._clock()
        self._first_beat.set()

    def _new_lease(self) -> Lease:
        lapses = self._lapses

        def is_lost() -> bool:
            if self._lapses != lapses:
                return True
            last = self._last_beat
            return last is not None and self._clock() - last >= DEAD_SECONDS

        return Lease(is_lost)

    def _has_connected(self) -> None:
        self._is_new_connection = True

    def _restarted(self) -> bool:
        """Tell whether the store, or a part of it, is another process than at the last beat.

        A server that has become a replica shows by itself: it refuses the beat.
        """
        is_new, self._is_new_connection = self._is_new_connection, False
        try:
            servers = {str(each.info("server").get("run_id")) for each in primaries_of(self._redis)}
        except ResponseError:
            return is_new  # INFO is not permitted here: each connection may be to another one
        except (RedisError, OSError):
            # In a cluster one is away that has not taken the beat: others' beats may expire there.
            return is_new or isinstance(self._redis, ThreadedClusterRedis)
        before, self._servers = self._servers, servers
        return bool(before) and not servers <= before

    def _loop_lives(self) -> bool:
        stall_seconds = self._clock() - self._last_tick
        stalled = stall_seconds >= STALL_LOGGED_SECONDS
        if stalled and not self._stalled:
            _log.warning("event_loop_stalled", seconds=round(stall_seconds, 1))
        self._stalled = stalled
        return stall_seconds < STALL_DEAD_SECONDS
