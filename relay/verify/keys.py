"""A secret's text in, the key that a scheme wants out."""

from binascii import a2b_base64
from functools import lru_cache
from hmac import HMAC
from hmac import new as new_hmac

from relay.endpoint import Secret
from relay.scheme import Key

DIGESTS = {"hmac-sha256": "sha256", "hmac-sha1": "sha1", "hmac-sha512": "sha512"}


def key_bytes(key: Key, text: bytes) -> bytes:
    """Decode a secret.

    Raises:
        ValueError: It is not in that form; the message does not show it.
    """
    text = text.removeprefix(key.prefix.encode())
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


class Keyed:
    """Gives a secret's HMAC, into which the key was worked once.

    Args:
        algorithm: As the scheme calls it.
        key: How the secret becomes the key.
    """

    def __init__(self, algorithm: str, key: Key) -> None:
        self._digest = DIGESTS[algorithm]
        self._key = key
        self._is_plain = key.form == "text" and not key.prefix

    def __call__(self, secret: Secret) -> HMAC:
        """Give a new HMAC."""
        if self._is_plain:
            return secret.keyed(self._digest)
        return secret.made(self._make).copy()

    def _make(self, text: bytes) -> HMAC:
        return new_hmac(key_bytes(self._key, text), digestmod=self._digest)


@lru_cache(256)
def keyed_for(algorithm: str, key: Key) -> Keyed:
    """Give the one object for a scheme."""
    return Keyed(algorithm, key)
