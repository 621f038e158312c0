"""Notes in the store which secrets were used, as gateways do."""

from dataclasses import replace

from relay.contract.connect import connect
from relay.contract.keys import Keys
from relay.endpoint import Endpoint, Secret
from relay.usage import Usage
from tests.making import make_endpoint
from tests.servers import Server


async def use(
    server: Server, endpoint: str, secret: Secret | None, at_ms: int, *holds: Secret
) -> None:
    """Have a gateway say at a time that a secret has proved a delivery.

    Args:
        server: Where it says so.
        endpoint: Of which endpoint.
        secret: Which; none where it only says what it has.
        at_ms: When, ms since the epoch.
        holds: The secrets that it has.
    """
    redis = connect(server.url, role="test")
    endpoints: dict[str, Endpoint] = {}
    if holds:
        endpoints[endpoint] = replace(make_endpoint(), name=endpoint, secrets=holds)
    usage = Usage(redis, Keys(), endpoints, lambda: at_ms)
    if secret is not None:
        usage.note(endpoint, "stored", secret)
    await usage.flush()
    await redis.aclose()
