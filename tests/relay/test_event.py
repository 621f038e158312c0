"""Undoing a body's content encoding, within a bound."""

import zlib

import pytest

from relay.contract.event import decompressed
from tests.making import gzipped

PLAIN = b'{"id":"evt_1"}' * 20


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (PLAIN, None),
        (PLAIN, ""),
        (PLAIN, "identity"),
        (gzipped(PLAIN), "gzip"),
        (gzipped(PLAIN), " GZIP "),
        (gzipped(PLAIN), "x-gzip"),
        (gzipped(PLAIN[:5]) + gzipped(PLAIN[5:]), "gzip"),
        (gzipped(PLAIN) + bytes(100), "gzip"),
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
        (gzipped(PLAIN)[:-9], "gzip"),
        (gzipped(b"x" * 1000) + gzipped(b"x"), "gzip"),
        (gzipped(b"x" * 1001), "gzip"),
        (17 * gzipped(b"x"), "gzip"),
        (gzipped(b"\0" * 10_000_000), "gzip"),
    ],
)
def test_the_rest_is_a_value_error(data: bytes, encoding: str) -> None:
    """Unknown encodings, bytes of another form, cut bodies and bombs are refused by one error."""
    with pytest.raises(ValueError):
        decompressed(data, encoding, 1000)
