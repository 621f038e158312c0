"""Signed deliveries: a number in, the bytes of one HTTP request out, made as they are sent.

Each number gives another event of about 0.7 KB, and the number can be read back from its event
id. The signature is written from the sender's description and not with the relay's code.

Source: https://developer.unipile.com/v2.0/docs/configure-a-webhook
"""

import hashlib
import hmac
import json
import time

SECRET = "bench_secret_00000000000000000000"
PATH = "/webhooks/unipile"
EVENT_TYPE = "message.new"
_ID_BYTES = 30
_MARK = "@" * _ID_BYTES

# In the sender's shape; nothing in it is real.
_EVENT = {
    "id": _MARK,
    "created_at": "2026-10-12T09:14:07.512Z",
    "account_id": "acc_example000000000000000000001",
    "account_provider": "whatsapp",
    "account_name": "+49 30 5550 0100",
    "type": EVENT_TYPE,
    "payload": {
        "object": "Message",
        "id": "MSG948714206177",
        "text": "Hello, is the blue one still in stock?",
        "sender_id": "49305550101@s.whatsapp.net",
        "chat_id": "49305550101@s.whatsapp.net",
        "timestamp": "2026-10-12T09:14:07.512Z",
        "is_sender": False,
        "is_seen": False,
        "is_delivered": True,
        "is_deleted": False,
        "reactions_counter": [],
        "sender": {
            "object": "User",
            "id": "49305550101@s.whatsapp.net",
            "type": "individual",
            "display_name": "Jonas Muster",
        },
        "provider": "whatsapp",
        "attachments": [],
    },
}
_BEFORE, _AFTER = json.dumps(_EVENT, separators=(",", ":")).encode().split(_MARK.encode())
_LENGTH = len(_BEFORE) + _ID_BYTES + len(_AFTER)
_KEYED = hmac.new(SECRET.encode(), digestmod=hashlib.sha256)


def event_id(number: int) -> str:
    """Name an event, in the length of the sender's own ids."""
    return f"evt_bench{number:021d}"


def number_of(name: bytes) -> int:
    """Undo `event_id`."""
    return int(name[9:])


def body(number: int) -> bytes:
    """Make the body of an event."""
    return b"%b%b%b" % (_BEFORE, event_id(number).encode(), _AFTER)


def signature(signed: bytes, timestamp: int) -> str:
    """Give the signature header of a body."""
    keyed = _KEYED.copy()
    keyed.update(b"%d.%b" % (timestamp, signed))
    return f"t={timestamp},v0={keyed.hexdigest()}"


def head(port: int, signed: str, length: int) -> bytes:
    """Write the head of a request.

    Args:
        port: Where it goes.
        signed: The signature header.
        length: Of the body, in bytes.
    """
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: bench\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
        f"unipile-signature: {signed}\r\n\r\n"
    ).encode()


def request(number: int, port: int) -> bytes:
    """Make one delivery, signed now."""
    sent = body(number)
    return head(port, signature(sent, int(time.time())), _LENGTH) + sent
