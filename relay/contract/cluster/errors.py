"""What a cluster can say beside what a single server says."""

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

# The server has not done what it was asked, for the reason that the key is, or will be, elsewhere.
REDIRECTED = (MovedError, AskError, TryAgainError, ClusterDownError)
# The reply never came, so what was asked may have happened.
LOST = (RedisConnectionError, RedisTimeoutError, OSError)


class ClusterUnknown(RedisConnectionError):
    """Nobody says now which server holds a key; whoever takes a lost store in hand takes this."""


class ClusterMoving(RedisConnectionError):
    """Keys are on the move, or without a server, for longer than one command waits for them."""
