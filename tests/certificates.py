"""Certificates for tests of TLS, made by the openssl program."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_ELLIPTIC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, each in a file.

    Args:
        certificate: PEM.
        key: PEM, without a password.
    """

    certificate: Path
    key: Path


class Authority:
    """Signs certificates that whoever trusts it believes.

    Args:
        directory: Its own.
        name: What it calls itself.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._own = self._made(name)
        _openssl(
            *["req", "-x509", *_ELLIPTIC, "-days", "2", "-subj", f"/CN={name}"],
            *["-keyout", str(self._own.key), "-out", str(self._own.certificate)],
        )

    @property
    def certificate(self) -> Path:
        """What others trust."""
        return self._own.certificate

    def sign(self, name: str, *names: str) -> Certificate:
        """Make a certificate.

        Args:
            name: Of its owner.
            names: Where it is valid, for example ``DNS:localhost`` and ``IP:127.0.0.1``.
        """
        made, asked = self._made(name), self._directory / f"{name}.csr"
        _openssl(
            *["req", "-new", *_ELLIPTIC, "-subj", f"/CN={name}"],
            *["-keyout", str(made.key), "-out", str(asked)],
        )
        extensions = self._directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\n" if names else "")
        _openssl(
            *["x509", "-req", "-in", str(asked), "-days", "2", "-extfile", str(extensions)],
            *["-CA", str(self._own.certificate), "-CAkey", str(self._own.key)],
            *["-CAcreateserial", "-out", str(made.certificate)],
        )
        return made

    def _made(self, name: str) -> Certificate:
        return Certificate(self._directory / f"{name}.pem", self._directory / f"{name}.key")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
