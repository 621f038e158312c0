"""What a handshake is answered, and what is not answered.

A challenge is a stranger's text. It is sent back only as far as it can do no harm there: bounded,
printable, never as a page. Made with a secret it would be a signature of whatever the caller
chose, so only texts are taken that no scheme signs.
"""

import re
from binascii import b2a_base64
from collections.abc import Mapping

import msgspec

from relay.contract.errors import HandshakeRefused
from relay.endpoint import Secret
from relay.provider import CHALLENGE, HMAC_BASE64, HMAC_HEX, Handshake
from relay.template import parse_template

# Printable ASCII without what begins a tag, an entity or a quotation. Microsoft's have blanks.
_TEXT = re.compile(r"[ !#-%'-;=?-~]{1,512}")
# What no sender signs: it is no JSON object or array, no form, and has no colon or point after a
# timestamp. `Handshakes.signed` refuses it as a body all the same.
KEYED = re.compile(r"[A-Za-z0-9_-]{1,128}")
# It goes into a file of one line, and into a header.
_SECRET = re.compile(r"[A-Za-z0-9._~+/=-]{16,256}")
JSON, TEXT = "application/json", "text/plain"


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a handshake.

    Args:
        status: The status.
        body: Its bytes.
        content_type: Of the body; none where there is none.
        headers: What else it says.
    """

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


def checked(handshake: Handshake, challenge: object) -> str:
    """Give a challenge that may be answered.

    Args:
        handshake: Says for what.
        challenge: What the request has at its place.

    Raises:
        HandshakeRefused: It may not.
    """
    allowed = _SECRET if handshake.then == "keep" else KEYED if handshake.is_keyed else _TEXT
    if not isinstance(challenge, str) or not allowed.fullmatch(challenge):
        raise HandshakeRefused
    return challenge


def made(handshake: Handshake, challenge: str, secret: Secret | None) -> Answered:
    """Make the answer.

    Args:
        handshake: Says which.
        challenge: From `checked`.
        secret: With which it is made, if it is made with one.

    Raises:
        HandshakeRefused: There is none, and it is needed.
    """
    if handshake.kind == "echo":
        return Answered(status=handshake.status, body=challenge.encode(), content_type=TEXT)
    if handshake.kind == "empty":
        return Answered(status=handshake.status)
    values = {CHALLENGE: challenge}
    if handshake.is_keyed:
        values |= _signed(challenge, secret)
    filled = {name: _filled(text, values) for name, text in handshake.answer.items()}
    if handshake.kind == "json":
        body = msgspec.json.encode(filled)
        return Answered(status=handshake.status, body=body, content_type=JSON)
    headers = {name: str(value) for name, value in filled.items()}
    return Answered(status=handshake.status, headers=headers)


def _signed(challenge: str, secret: Secret | None) -> dict[str, str]:
    if secret is None:
        raise HandshakeRefused
    mac = secret.keyed("sha256")
    mac.update(challenge.encode())
    digest = mac.digest()
    return {HMAC_HEX: digest.hex(), HMAC_BASE64: b2a_base64(digest, newline=False).decode()}


def _filled(given: str | int, values: Mapping[str, str]) -> str | int:
    if isinstance(given, int):
        return given
    template = parse_template(given)
    first, *literals = template.literals
    pairs = zip(template.places, literals, strict=True)
    return first + "".join(values[place] + literal for place, literal in pairs)
