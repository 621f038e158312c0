"""A secret's text in, the key that a scheme wants out."""

from binascii import a2b_base64
from collections.abc import Callable
from functools import lru_cache
from hmac import HMAC
from hmac import new as new_hmac

from relay.endpoint import Secret
from relay.scheme import Key

DIGESTS = {"hmac-sha256": "sha256", "hmac-sha1": "sha1", "hmac-sha512": "sha512"}


def key_bytes(key: Key, text: bytes) -> bytes:
    """Decode a secret.

    Raises:
        ValueError: It is not in that form, or nothing is left for a key: anyone could sign with
            that. The message does not show it.
    """
    found = _decoded(key, text.removeprefix(key.prefix.encode()))
    if not found:
        raise ValueError(f"the secret has nothing behind {key.prefix}")
    return found


def _decoded(key: Key, text: bytes) -> bytes:
    if key.form in {"text", "pem"}:
        return text
    try:
        if key.form == "hex":
            return bytes.fromhex(text.decode("ascii"))
        # Senders leave the padding out now and then.
        return a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        after = f" after {key.prefix}" if key.prefix else ""
        raise ValueError(f"the secret is not {key.form}{after}") from None


@lru_cache(256)
def keyed_for(algorithm: str, key: Key) -> Callable[[Secret], HMAC]:
    """Give what makes a new HMAC of a secret, into which the key was worked once.

    Args:
        algorithm: As the scheme calls it.
        key: How the secret becomes the key.
    """
    digest = DIGESTS[algorithm]
    if key.form == "text" and not key.prefix:
        return lambda secret: secret.keyed(digest)

    def make(text: bytes) -> HMAC:
        return new_hmac(key_bytes(key, text), digestmod=digest)

    return lambda secret: secret.made(make).copy()
