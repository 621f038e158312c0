"""``relay secrets drop``: forgets secrets that wait."""

from relay.commands.options import RedisUrl
from relay.commands.secrets.known import endpoint_settings
from relay.commands.secrets.waiting import EndpointName, Fingerprint, matching, remove, waiting
from relay.contract.display import tell
from relay.contract.loop import run


def drop(
    endpoint: EndpointName, fingerprint: Fingerprint = None, redis_url: RedisUrl = None
) -> None:
    """Forget secrets that wait: all of an endpoint, or one."""
    settings = endpoint_settings(redis_url)
    found = matching(run(waiting(settings)), endpoint, fingerprint)
    run(remove(settings, found))
    tell(f"Dropped {len(found)} of {endpoint}.")
