"""Reads a sender's log of attempts, back to a time: endpoints at the sender in, a fold out.

It is read whole or not at all: whatever stops the reading stops the comparison.
"""

from collections.abc import Iterable

from relay.reconcile.fold import Fold
from relay.unipile.api import UnipileApi

# The newest come first, but not to the ms: beyond this nothing newer follows.
OUT_OF_ORDER_MS = 60_000


async def read_log(api: UnipileApi, endpoint_ids: Iterable[str], since_ms: int) -> Fold:
    """Read the attempts to deliver to some endpoints, all together.

    Args:
        api: Asks the sender.
        endpoint_ids: As the sender calls them.
        since_ms: How far back, ms since the epoch.

    Raises:
        UnipileFailed: It could not be read to that time.
    """
    fold = Fold(since_ms)
    for endpoint_id in endpoint_ids:
        async for page in api.conversation_pages(endpoint_id):
            newest = max([fold.add(endpoint_id, each) for each in page])
            if newest < since_ms - OUT_OF_ORDER_MS:
                break
    return fold
