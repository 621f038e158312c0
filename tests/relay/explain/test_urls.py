"""The URLs that are tried."""

from hypothesis import given
from hypothesis import strategies as st

from relay.explain.urls import urls

PUBLIC = "https://hooks.example.com/webhooks/a"


def test_what_proxies_change_of_a_url_is_tried() -> None:
    """Its scheme, its port, and how its path ends."""
    tried = list(urls(PUBLIC, "a", {}))

    assert {
        "http://hooks.example.com/webhooks/a",
        "http://hooks.example.com/webhooks/a/",
        "http://hooks.example.com:80/webhooks/a",
        "https://hooks.example.com/webhooks/a/",
        "https://hooks.example.com:443/webhooks/a",
        "https://www.hooks.example.com/webhooks/a",
    } <= set(tried)
    assert len(tried) == len(set(tried))
    assert PUBLIC not in tried


def test_the_host_that_the_request_was_sent_to_is_tried_with_both_paths() -> None:
    """That of the relay, and that of the configured URL."""
    tried = set(urls("https://old.example.com/in", "a", {"x-forwarded-host": "new.example.com, b"}))

    assert {"https://new.example.com/webhooks/a", "https://new.example.com/in"} <= tried


@given(public=st.text(max_size=20), host=st.text(max_size=20))
def test_any_text_gives_a_few(public: str, host: str) -> None:
    """Whatever is configured, and whatever came."""
    assert len(list(urls(public, "a", {"host": host}))) < 100
