"""The refusal log: what was refused at an endpoint, with all that is needed to say why.

Refused deliveries come in, rows of a capped stream go out, written in batches off the way of
requests; and rows come out again for whoever asks. What is refused is never more than read here:
nothing in this room judges a delivery.

Source: docs/reference/streams.md; docs/adr/0031.
"""

from relay.rejections.log import RejectionLog, Rejects
from relay.rejections.rejection import KEPT_BODY_BYTES, Rejection, rejection_of

__all__ = ["KEPT_BODY_BYTES", "Rejection", "RejectionLog", "Rejects", "rejection_of"]
