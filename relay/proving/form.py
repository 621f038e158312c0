"""Bytes of a key in, out comes the text as which a sender's customer is given it."""

from base64 import b64encode

from relay.scheme import Key


def encoded(value: bytes, key: Key) -> str:
    """Write a key in the form in which its customer is given it."""
    if key.form == "hex":
        return key.prefix + value.hex()
    return key.prefix + (b64encode(value).decode() if key.form == "base64" else value.decode())
