"""Undoing a body's content encoding, within a bound."""

import gzip
import zlib

import pytest

from relay.contract.event import decompressed

PLAIN = b'{"id":"evt_1"}' * 20


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (PLAIN, None),
        (PLAIN, ""),
        (PLAIN, "identity"),
        (gzip.compress(PLAIN), "gzip"),
        (gzip.compress(PLAIN), " GZIP "),
        (gzip.compress(PLAIN), "x-gzip"),
        (gzip.compress(PLAIN[:5]) + gzip.compress(PLAIN[5:]), "gzip"),
        (gzip.compress(PLAIN) + bytes(100), "gzip"),
        (zlib.compress(PLAIN), "deflate"),
    ],
)
def test_known_encodings_are_undone(data: bytes, encoding: str | None) -> None:
    """Plain, gzip and deflate bodies give the plain bytes."""
    assert decompressed(data, encoding, 1000) == PLAIN


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (PLAIN, "br"),
        (PLAIN, "gzip"),
        (PLAIN, "gzip, gzip"),
        (b"", "gzip"),
        (gzip.compress(PLAIN)[:-9], "gzip"),
        (gzip.compress(b"x" * 1000) + gzip.compress(b"x"), "gzip"),
        (gzip.compress(b"x" * 1001), "gzip"),
        (17 * gzip.compress(b"x"), "gzip"),
        (gzip.compress(b"\0" * 10_000_000), "gzip"),
    ],
)
def test_the_rest_is_a_value_error(data: bytes, encoding: str) -> None:
    """Unknown encodings, bytes of another form, cut bodies and bombs are refused by one error."""
    with pytest.raises(ValueError):
        decompressed(data, encoding, 1000)
