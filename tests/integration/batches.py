"""Bodies that hold a thousand events, as a sender writes and signs them."""

import hashlib
import hmac
import json
import random
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from tests.signing import SECRET

PATH = "/webhooks/many"
TYPES = ("delivered", "open", "click", "bounce")
ELEMENT_BYTES = 1024
TOML = """
[endpoints.many]
provider = "hmac"
secrets = [{ env = "UNIPILE_WEBHOOK_SECRET" }]
signature = { header = "x-signature" }
event = { id = "{body.sg_event_id}", type = "{body.event}", split = "[]" }
"""
SETTINGS: Mapping[str, Any] = tomllib.loads(TOML)
_TEXT = """
account address again before between blue button campaign change checkout city click code colour
confirm contact country customer date delivery discount dispatch each email every first free
from garden gift hello home house inbox invoice item kitchen large later letter light list
mailbox message month more name never next notice number offer only open order other package
page paid parcel payment phone photo please post price question quick receipt red reply return
sale send service shipping shop sign since size small spring stock store summer table thank
their there ticket today tomorrow town under until update visit water week which white winter
within without word work write year yellow yesterday your
"""
_WORDS = _TEXT.split()


def elements_of(name: str, count: int = 1000) -> list[bytes]:
    """Make events as a sender of mail reports them, each of a KiB.

    Ids, addresses and times are drawn at random, and so are the words of a subject; keys, types
    and user agents come again and again.

    Args:
        name: What all ids begin with.
        count: How many.
    """
    chance = random.Random(name)
    return [_element(f"{name}-{number:04}", chance) for number in range(count)]


def array_of(elements: Sequence[bytes]) -> bytes:
    """Write elements as a body."""
    return b"[%b]" % b",\r\n".join(elements)


def signature(body: bytes) -> dict[str, str]:
    """Give the headers of a delivery."""
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"x-signature": digest, "content-type": "application/json"}


def _element(event_id: str, chance: random.Random) -> bytes:
    message = f"{chance.getrandbits(128):032x}"
    element = {
        "email": f"{chance.choice(_WORDS)}.{chance.randrange(10**6)}@example.com",
        "timestamp": 1_790_000_000 + chance.randrange(10**6),
        "event": chance.choice(TYPES),
        "category": ["newsletter"],
        "sg_event_id": event_id,
        "sg_message_id": f"{message}.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": f"<{message}@ismtpd0039p1iad1.example.net>",
        "ip": f"203.0.113.{chance.randrange(256)}",
        "useragent": (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
        ),
        "url": f"https://shop.example.com/{chance.choice(_WORDS)}/{chance.randrange(10**8)}",
        "subject": "",
    }
    missing = ELEMENT_BYTES - len(json.dumps(element, separators=(",", ":")))
    words = " ".join(chance.choice(_WORDS) for _ in range(missing))
    return json.dumps(element | {"subject": words[:missing]}, separators=(",", ":")).encode()
