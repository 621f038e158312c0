"""Keys of senders and of strangers; those in pairs are made, and used, by the openssl program."""

import base64
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from relay.verify.paypal import NAMES
from tests.issuing import Issued, issue

_ALGORITHMS = {
    "ed25519": ["-algorithm", "ed25519"],
    "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
}


@cache
def authority() -> Issued:
    """Give the one whose certificates are trusted."""
    begins, ends = _month()
    return issue("authority of the senders", authority=True, begins=begins, ends=ends)


@dataclass(frozen=True, slots=True)
class Keys:
    """What one sender signs with.

    Args:
        secret: A text; each scheme's own form of it is derived from it.
        directory: Where its pairs of keys are.
    """

    secret: str
    directory: Path

    @property
    def hexadecimal(self) -> str:
        """The secret for who wants it in hexadecimal."""
        return self.secret.encode().hex()

    @property
    def whsec(self) -> str:
        """The secret as Standard Webhooks writes it."""
        return "whsec_" + base64.b64encode(self.secret.encode()).decode()

    @property
    def certificate(self) -> str:
        """The certificate of the RSA key, for the name that PayPal's have; PEM."""
        key = load_pem_private_key(self.private("rsa").encode(), None)
        assert isinstance(key, RSAPrivateKey)
        begins, ends = _month()
        made = issue(NAMES[0], key=key, by=authority(), begins=begins, ends=ends)
        return made.pem.decode()

    def private(self, kind: str) -> str:
        """Give a private key; PEM."""
        return self._private(kind).read_text("ascii")

    def public(self, kind: str) -> bytes:
        """Give a public key; DER."""
        key = ["-in", str(self._private(kind))]
        return _openssl("pkey", *key, "-pubout", "-outform", "DER")

    def sign(self, kind: str, content: bytes, digest: str = "sha256") -> bytes:
        """Sign some bytes; Ed25519 has a digest of its own."""
        key = str(self._private(kind))
        if kind != "ed25519":
            return _openssl("dgst", f"-{digest}", "-sign", key, stdin=content)
        signed = self.directory / "signed"
        signed.write_bytes(content)
        return _openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", str(signed))

    def _private(self, kind: str) -> Path:
        path = self.directory / f"{kind}.pem"
        if not path.exists():
            _openssl("genpkey", *_ALGORITHMS[kind], "-out", str(path))
        return path


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(
        ["openssl", *arguments], input=stdin, check=True, capture_output=True
    ).stdout


def _month() -> tuple[float, float]:
    """Give the ends of a time in which all tests run, in Unix seconds."""
    return time.time() - 86400, time.time() + 30 * 86400
