"""Transmissions of PayPal: headers, body, certificates and roots in, yes or no out.

What is signed holds no digest of the body but its CRC-32, and a body with a wanted CRC-32 is easily
made: whoever has one genuine transmission can send another body under it. So a yes proves that
PayPal made this transmission for this webhook, and the body only as far as its road was safe.
The transmission's id and time are signed.

Source: https://developer.paypal.com/api/rest/webhooks/rest/; the subjects of the certificates:
https://github.com/paypal/PayPal-Java-SDK, ``SSLUtil``
"""

import re
import warnings
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from relay.verify.certified import is_signed, read_chain, read_signature, sign

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from cryptography.x509.verification import Store

# The header names one, and is taken only at this word.
ALGORITHM = "SHA256withRSA"
# Of the certificates that sign; the chain must end in one of them. A sandbox signs with webhook
# ids of its own, so it need not be told from the other here.
NAMES = ("messageverificationcerts.paypal.com", "messageverificationcerts.sandbox.paypal.com")

# The bars between the parts must stay the only ones.
_PART = re.compile(r"[0-9A-Za-z-]{1,128}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")
_BEGIN = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmission:
    """What PayPal says of one delivery, as its headers say it.

    Args:
        id: ``PAYPAL-TRANSMISSION-ID``.
        time: ``PAYPAL-TRANSMISSION-TIME``, for example ``2016-02-18T20:01:35Z``.
        algorithm: ``PAYPAL-AUTH-ALGO``.
        signature: ``PAYPAL-TRANSMISSION-SIG``, in base64.
    """

    id: str
    time: str
    algorithm: str
    signature: str


def verify_transmission(
    transmission: Transmission,
    body: bytes,
    webhook_id: str,
    pem: bytes,
    *,
    roots: bytes,
    now_seconds: float,
) -> bool:
    """Tell whether PayPal made a transmission for a webhook.

    Args:
        transmission: The headers.
        body: The raw body.
        webhook_id: The id of the webhook, which PayPal's dashboard shows.
        pem: What was fetched from ``PAYPAL-CERT-URL``: the signer's certificate, then those
            between it and a root.
        roots: PEM of the certificates that are trusted: roots, or any nearer to the signer's.
        now_seconds: Unix seconds.
    """
    text = signed_text(transmission.id, transmission.time, webhook_id, body)
    signature = read_signature(transmission.signature)
    if transmission.algorithm != ALGORITHM or text is None or signature is None:
        return False
    chain = read_chain(pem)
    if chain is None or not is_signed(chain[0], "sha256", text, signature):
        return False
    return is_paypals(chain, roots, now_seconds)


def signed_text(id_: str, time: str, webhook_id: str, body: bytes) -> bytes | None:
    """Put the parts of a transmission into the form that is signed.

    Returns:
        Id, time, webhook id and the CRC-32 of the body as a decimal number, with bars between;
        None where a part has not its form.
    """
    if not (_PART.fullmatch(id_) and _TIME.fullmatch(time) and _PART.fullmatch(webhook_id)):
        return None
    return f"{id_}|{time}|{webhook_id}|{zlib.crc32(body)}".encode("ascii")


def is_paypals(chain: "tuple[Certificate, ...]", roots: bytes, now_seconds: float) -> bool:
    """Tell whether a chain leads from one of PayPal's signing certificates to a trusted root.

    Dates, names, and what each certificate may be used for are judged as for a server of that name
    (RFC 5280, with the rules of the CA/Browser Forum). That one was revoked is not seen.
    """
    from cryptography.x509 import DNSName  # noqa: PLC0415 - only where an endpoint needs it
    from cryptography.x509.verification import PolicyBuilder, VerificationError  # noqa: PLC0415

    store = _store(roots)
    if store is None:
        return False
    now = datetime.fromtimestamp(now_seconds, UTC)
    policy = PolicyBuilder().store(store).time(now)
    for name in NAMES:
        try:
            policy.build_server_verifier(DNSName(name)).verify(chain[0], list(chain[1:]))
        except (VerificationError, ValueError):
            continue
        return True
    return False


def sign_transmission(
    body: bytes, webhook_id: str, key_pem: bytes, *, id_: str, time: str
) -> dict[str, str]:
    """Make the headers with which PayPal would send a body, but that of the certificate's URL.

    Args:
        body: The bytes to be sent.
        webhook_id: The id of the webhook.
        key_pem: A private RSA key without a password.
        id_: Of the transmission.
        time: For example ``2016-02-18T20:01:35Z``.

    Raises:
        ValueError: A part has not its form, or the key is none.
    """
    text = signed_text(id_, time, webhook_id, body)
    if text is None:
        raise ValueError("a part of the transmission has not the form that PayPal signs")
    return {
        "PAYPAL-TRANSMISSION-ID": id_,
        "PAYPAL-TRANSMISSION-TIME": time,
        "PAYPAL-TRANSMISSION-SIG": sign(key_pem, "sha256", text),
        "PAYPAL-AUTH-ALGO": ALGORITHM,
    }


@lru_cache(maxsize=4)
def _store(roots: bytes) -> "Store | None":
    from cryptography import x509  # noqa: PLC0415 - only where an endpoint needs it
    from cryptography.x509.verification import Store  # noqa: PLC0415

    trusted: list[x509.Certificate] = []
    # Some old roots have numbers that would not be given today; the system trusts them still.
    with warnings.catch_warnings(action="ignore"):
        for piece in roots.split(_BEGIN)[1:]:
            with suppress(ValueError, x509.InvalidVersion):
                trusted.append(x509.load_pem_x509_certificate(_BEGIN + piece))
    return Store(trusted) if trusted else None
