"""Signs a delivery as Unipile does, written from its description and not with the gateway's code.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook.
"""

import hashlib
import hmac

HEADER = "unipile-signature"


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Give the value of the signature header.

    Args:
        secret: The endpoint's, as the API gives it, prefix included.
        timestamp: Unix seconds.
        body: The exact bytes that are sent.

    Returns:
        ``t=<timestamp>,v0=<hexadecimal HMAC-SHA256 of timestamp, a dot and the body>``.
    """
    signed = b"%d.%b" % (timestamp, body)
    return f"t={timestamp},v0={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
