"""Until when what was fetched is good: PEM in, seconds out.

Needs the extra ``asymmetric``, which is loaded only when a certificate is here.
"""

import warnings

KEPT_SECONDS = 24 * 3600.0


def seconds_left(pem: bytes, now_seconds: float) -> float | None:
    """Say for how long a certificate may be kept.

    Args:
        pem: What was fetched: one certificate, or a chain of which the first is meant.
        now_seconds: Unix seconds.

    Returns:
        At most a day, so that one that its sender has replaced is not trusted for long; None where
        this is no certificate, or one that has ended.
    """
    from cryptography import x509  # noqa: PLC0415 - only where an endpoint needs it

    try:
        # It warns of numbers that it takes today and will not take one day.
        with warnings.catch_warnings(action="ignore"):
            first = x509.load_pem_x509_certificates(pem)[0]
        left = first.not_valid_after_utc.timestamp() - now_seconds
    except (ValueError, IndexError, x509.InvalidVersion):
        return None
    return min(KEPT_SECONDS, left) if left > 0 else None
