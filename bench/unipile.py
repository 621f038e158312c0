"""What a delivery looks like: an id, an endpoint and a time in, the text of a request out.

It is written from the sender's description and not with the relay's code.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook
"""

import hashlib
import hmac
import json
import time

EVENT_TYPE = "message.new"
ACCOUNT = "acc_example000000000000000001"
# Of a body; above it the message's text makes it longer.
SMALLEST_BYTES, USUAL_BYTES = 512, 700
ID_BYTES = 30
DIGEST_BYTES = 64
# Its own headers, around the time and the signature.
HEADERS = b"user-agent: unipile-webhooks/2.0\r\nunipile-signature: t=%b,v0=%b\r\n"
_ID_PLACE = "{id}".ljust(ID_BYTES, ".")


def secret_of(endpoint: str) -> str:
    """Give the secret of a benchmark's endpoint, which nothing else uses."""
    return f"wes_bench_{hashlib.sha256(endpoint.encode()).hexdigest()[:24]}"


def keyed(endpoint: str) -> hmac.HMAC:
    """Begin a signature; what is updated with ``timestamp.body`` is a copy of it."""
    return hmac.new(secret_of(endpoint).encode(), digestmod=hashlib.sha256)


def body_around_id(body_bytes: int = USUAL_BYTES) -> tuple[bytes, bytes, bytes]:
    """Write a body, and give the text around the two places of its event id.

    Args:
        body_bytes: How long it is with them, exactly.

    Raises:
        ValueError: It would have to be shorter than 512 bytes.
    """
    if body_bytes < SMALLEST_BYTES:
        raise ValueError(f"a body has at least {SMALLEST_BYTES} bytes, {body_bytes} asked for")
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    payload = {
        "object": "Message",
        "id": f"MSG-{_ID_PLACE}",
        "chat_id": "49305550101@s.whatsapp.net",
        "timestamp": now,
        "is_sender": False,
        "is_seen": False,
        "provider": "whatsapp",
        "sender": {"object": "User", "id": "49305550101@s.whatsapp.net"},
        "text": "",
    }
    body = {
        "id": _ID_PLACE,
        "created_at": now,
        "account_id": ACCOUNT,
        "account_provider": "whatsapp",
        "type": EVENT_TYPE,
        "payload": payload,
    }
    missing = body_bytes - len(json.dumps(body, separators=(",", ":")))
    payload["text"] = ("Hello, is the blue one still in stock? " * (missing // 39 + 1))[:missing]
    text = json.dumps(body, separators=(",", ":")).encode()
    before, between, after = text.split(_ID_PLACE.encode())
    return before, between, after


def head(endpoint: bytes, signed_at: bytes, digest: bytes, body_bytes: int) -> bytes:
    """Write the head of a request.

    Args:
        endpoint: Its name.
        signed_at: Seconds since 1970.
        digest: Signature over ``signed_at.body``, hexadecimal.
        body_bytes: How long the body is.
    """
    return head_of(endpoint, HEADERS % (signed_at, digest), body_bytes)


def head_of(endpoint: bytes, headers: bytes, body_bytes: int) -> bytes:
    """Write the head of a request around the headers that are a sender's own."""
    return (
        b"POST /webhooks/%b HTTP/1.1\r\nhost: 127.0.0.1\r\n%b"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % (endpoint, headers, body_bytes)
    )
