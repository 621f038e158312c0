"""A sender's side of the signature, written from its description and not with our code."""

import hashlib
import hmac
import time

IN_HEADER = "canary-in-header-9c07"
SECRET = "wes_testsecret_0000000000000000000"


def signature(body: bytes, timestamp: int | str, secret: str = SECRET) -> str:
    """Give the hexadecimal HMAC-SHA256 of ``timestamp.body``."""
    signed = str(timestamp).encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def signature_header(body: bytes, timestamp: int | None = None, secret: str = SECRET) -> str:
    """Give the value of ``unipile-signature`` for a body.

    Args:
        body: The bytes that are sent.
        timestamp: Unix seconds; now by default.
        secret: The endpoint's.
    """
    at = int(time.time()) if timestamp is None else timestamp
    return f"t={at},v0={signature(body, at, secret)}"


def signed(body: bytes, timestamp: int | None = None, secret: str = SECRET) -> dict[str, str]:
    """Give the headers of a signed delivery, with one that is nobody's business."""
    signature = signature_header(body, timestamp, secret)
    return {"unipile-signature": signature, "authorization": f"Bearer {IN_HEADER}"}
