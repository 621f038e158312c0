"""The extra ``asymmetric``: whether it is there, and what to say where it is not."""

from importlib.util import find_spec

MISSING = (
    "this kind of sender needs the package cryptography: pip install 'webhook-relay[asymmetric]'"
)


def is_missing() -> bool:
    """Tell whether the package is not installed; it is not loaded to find out."""
    return find_spec("cryptography") is None
