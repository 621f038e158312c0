"""The certificates that the system trusts, as PEM.

Source: Python, ``ssl.get_default_verify_paths``; OpenSSL, ``SSL_CTX_load_verify_locations``.
"""

import ssl
from pathlib import Path

_BEGIN = b"-----BEGIN CERTIFICATE-----"


def system_roots() -> bytes:
    """Read what the system trusts, where ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` say so from there.

    Returns:
        PEM, one certificate after the other; empty where the system has none.
    """
    paths = ssl.get_default_verify_paths()
    files = [Path(paths.cafile)] if paths.cafile else _hashed(paths.capath)
    texts = [text for file in files if _BEGIN in (text := file.read_bytes())]
    return b"\n".join(texts)


def _hashed(directory: str | None) -> list[Path]:
    # OpenSSL finds certificates in a directory by the digest of their subject.
    found = sorted(Path(directory).glob("*.[0-9]")) if directory else []
    return [path for path in found if path.is_file()]
