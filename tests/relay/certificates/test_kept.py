"""What fetches brought is kept within bounds."""

from relay.certificates.kept import MAX_KEPT, Kept


def test_so_many_certificates_are_kept_and_no_more() -> None:
    """The oldest goes."""
    kept = Kept(lambda: 0.0)
    for number in range(MAX_KEPT + 1):
        kept.keep(str(number), b"pem", 1.0)

    assert [kept.find(url) for url in ("0", "1", str(MAX_KEPT))] == [None, b"pem", b"pem"]


def test_failures_push_out_no_certificate() -> None:
    """Whoever makes many of them only has the oldest of them asked for again."""
    kept = Kept(lambda: 0.0)
    kept.keep("good", b"pem", 1.0)
    for number in range(MAX_KEPT + 1):
        kept.keep_failure(str(number))

    assert kept.find("good") == b"pem"
    assert [kept.has_failed(url) for url in ("0", "1", str(MAX_KEPT))] == [False, True, True]


def test_what_is_kept_again_counts_once() -> None:
    """It takes no room of another."""
    kept = Kept(lambda: 0.0)
    for number in range(MAX_KEPT):
        kept.keep(str(number), b"pem", 1.0)
    kept.keep("5", b"new", 1.0)

    assert [kept.find(url) for url in ("0", "5")] == [b"pem", b"new"]
