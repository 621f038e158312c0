"""Makes ids, secrets and times as Unipile writes them. Pure but for chance."""

import secrets
from datetime import UTC, datetime

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
APPLICATION = "app_standin0000000000000000000"


def new_id(prefix: str) -> str:
    """Make an id that nobody has yet: the prefix, ``_``, and 26 characters."""
    return f"{prefix}_{_text(26)}"


def new_secret() -> str:
    """Make a secret of an endpoint: 36 characters, the most that there may be."""
    # Assumption: secrets begin with wes_
    return f"wes_{_text(32)}"


def time_text(seconds: float) -> str:
    """Write Unix seconds as Unipile does: ISO 8601 in UTC with milliseconds."""
    at = datetime.fromtimestamp(seconds, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(length: int) -> str:
    # As many letters as five bits tell apart: each byte gives one, all as likely.
    return "".join(ALPHABET[byte % 32] for byte in secrets.token_bytes(length))
