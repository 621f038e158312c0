"""The URL of a certificate in, its bytes out.

It is the only place where a sender has a say in what the gateway fetches.

`address` says which URLs may be fetched at all, `fetch` fetches them within bounds, `confirm` tells
SNS that a subscription is wanted.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from relay.endpoint import Endpoint

if TYPE_CHECKING:
    from relay.certificates.attach import Certificates


def certificates_for(endpoints: Iterable[Endpoint]) -> "Certificates | None":
    """Give what brings the certificates of deliveries, if any endpoint has such a sender."""
    if not any(endpoint.provider.scheme.has_certificate for endpoint in endpoints):
        return None
    # Only here, since few endpoints have.
    from relay.certificates.attach import Certificates  # noqa: PLC0415
    from relay.certificates.fetch import Fetcher  # noqa: PLC0415
    from relay.certificates.roots import system_roots  # noqa: PLC0415

    return Certificates(Fetcher(), system_roots())
