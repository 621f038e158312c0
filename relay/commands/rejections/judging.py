"""A row judged again: by the endpoint as it is configured now, at the time at which it came."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from relay.certificates import certificates_for
from relay.commands.store import environment, gateway_settings
from relay.contract.errors import DeliveryRefused
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.contract.references import read_secret_file
from relay.delivery import Certificate
from relay.endpoint import Endpoint
from relay.endpoints import Secrets, build_endpoint
from relay.explain import Explanation, explain
from relay.rejections.judged import delivery_of, received_of, used_before
from relay.rejections.rejection import Rejection
from relay.settings import Settings
from relay.verify.family import NO_CLAIM


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The gateway's configuration, as far as this machine can read it.

    Args:
        settings: All of them.
        endpoints: By name, with those secrets that can be read here.
        faults: What cannot be read, by endpoint.
    """

    settings: Settings
    endpoints: Mapping[str, Endpoint]
    faults: Mapping[str, list[str]]

    def endpoint(self, name: str) -> Endpoint:
        """Give an endpoint.

        Raises:
            CommandFailed: It is not in the configuration any more.
        """
        found = self.endpoints.get(name)
        if found is None:
            raise CommandFailed(
                f"The endpoint {printable(name)} is not in the configuration, or not any more, so "
                "nothing can be said of what it would take; `relay rejections show` shows it."
            )
        return found


def configured(redis_url: str | None) -> Configured:
    """Read the configuration; secrets that cannot be read here are faults of their endpoint only.

    Raises:
        ConfigurationFault: The configuration itself is wrong.
    """
    environ = environment()
    settings = gateway_settings(environ, redis_url)
    endpoints, faults = {}, {}
    for name, section in settings.endpoints.items():
        own: list[str] = []
        endpoints[name] = build_endpoint(name, section, Secrets(environ, read_secret_file, own))
        if own:
            faults[name] = own
    return Configured(settings=settings, endpoints=endpoints, faults=faults)


async def explained(row: Rejection, known: Configured, now_ms: int) -> Explanation:
    """Say why a row was refused.

    Args:
        row: What came.
        known: The configuration.
        now_ms: The present, ms since the epoch: the secrets that count now are tried.

    Raises:
        CommandFailed: Its endpoint is not configured any more.
    """
    endpoint = known.endpoint(row.endpoint)
    others = {
        name: other.secrets for name, other in known.endpoints.items() if name != row.endpoint
    }
    request = received_of(row)
    if row.body is not None and endpoint.provider.scheme.has_certificate:
        request = replace(request, certificate=await _certificate(row, row.body, endpoint))
    return explain(
        endpoint,
        request,
        now_ms=now_ms,
        others=others,
        reason=row.reason,
        used_before=used_before(row),
    )


async def _certificate(row: Rejection, body: bytes, endpoint: Endpoint) -> Certificate | None:
    certificates = certificates_for([endpoint])
    if certificates is None:
        return None
    try:
        delivery = await certificates.attach(delivery_of(row, body, endpoint, NO_CLAIM))
    except DeliveryRefused:
        return None
    finally:
        await certificates.stop()
    return delivery.certificate
