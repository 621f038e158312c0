"""A row of the refusal log as what it is judged by again: a request, or a delivery."""

from relay.delivery import Claim, Delivery
from relay.endpoint import Endpoint
from relay.explain import Received, compared
from relay.rejections.rejection import Compared, Rejection, delivery_headers


def received_of(row: Rejection) -> Received:
    """Give the request of a row, to be explained."""
    return Received(
        headers=row.headers,
        body=row.body,
        received_at_ms=row.received_at_ms,
        body_bytes=row.body_bytes or 0,
        method=row.method,
        query=row.query,
    )


def facts_of(endpoint: Endpoint, row: Rejection) -> Compared:
    """Give the few facts by which a row was judged, to be kept in it."""
    return compared(endpoint, received_of(row), row.reason)


def used_before(row: Rejection) -> str:
    """Give the path of what had come with another event when it came; empty for nothing.

    The gateway that refused it knew that, and nobody else can find it out again.
    """
    return str(row.compared.get("used_before", ""))


def delivery_of(row: Rejection, body: bytes, endpoint: Endpoint, claim: Claim) -> Delivery:
    """Give the delivery of a row, as the gateway would have it.

    Args:
        row: What came.
        body: All of its body.
        endpoint: By which it is judged.
        claim: What its head says of its signature.
    """
    return Delivery(
        endpoint=endpoint,
        claim=claim,
        headers=delivery_headers(row),
        query=row.query,
        body=body,
        received_at_ms=row.received_at_ms,
        method=row.method,
        seed=f"{row.endpoint}/{row.id}".encode(),
    )
