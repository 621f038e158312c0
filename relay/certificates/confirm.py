"""Tells SNS that a subscription is wanted: the confirmation's URL in, one GET out."""

from relay.certificates.address import Address
from relay.certificates.fetch import Fetcher


async def confirm(fetcher: Fetcher, address: Address) -> None:
    """Confirm a subscription, as its message was verified to ask for.

    Confirming again is harmless, so a delivery that is repeated after a lost answer may do so.

    Args:
        fetcher: Bounds it as it bounds other fetches.
        address: Of `sns_subscription`.

    Raises:
        CertificateUnavailable: SNS did not confirm it; the sender comes again.
    """
    await fetcher.get_once(address)
