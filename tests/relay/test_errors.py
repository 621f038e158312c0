"""What a refusal tells, by its class."""

import re
from collections.abc import Iterator
from typing import TypeVar, get_args

import pytest

from relay.append.script import refusal
from relay.contract import errors
from relay.contract.errors import (
    DeliveryRefused,
    RefusedSignature,
    SignatureRefused,
    StoreFull,
    StoreUnavailable,
    TryLater,
)

ErrorT = TypeVar("ErrorT", bound=Exception)


def classes(root: type[ErrorT]) -> Iterator[type[ErrorT]]:
    """Give a class and all that are derived from it."""
    yield root
    for child in root.__subclasses__():
        yield from classes(child)


def test_the_tree_in_the_docstring_is_complete() -> None:
    """Every class of the module stands in the picture at its head, and no other."""
    drawn = set(re.findall(r"[─ ]([A-Z][A-Za-z]+) ", errors.__doc__ or "")) | {"RelayError"}
    ours = {
        kind.__name__ for kind in classes(errors.RelayError) if kind.__module__ == errors.__name__
    }

    assert ours <= drawn


@pytest.mark.parametrize("kind", list(classes(DeliveryRefused)))
def test_every_refusal_has_status_reason_and_title(kind: type[DeliveryRefused]) -> None:
    """A refusal carries its answer; the reason is one stable word."""
    assert 400 <= kind.status < 600
    assert re.fullmatch(r"[a-z_]+", kind.reason)
    assert kind.title


def test_reasons_are_as_published() -> None:
    """Senders, dashboards and alerts rely on these pairs of status and reason."""
    found = {
        kind.reason: kind.status
        for kind in classes(DeliveryRefused)
        if kind not in (DeliveryRefused, SignatureRefused, TryLater)
    }

    assert found == {
        "malformed_request": 400,
        "unknown_endpoint": 404,
        "method_not_allowed": 405,
        "body_incomplete": 408,
        "body_too_large": 413,
        "handshake_refused": 403,
        "too_many_secrets": 403,
        "store_unavailable": 503,
        "store_full": 503,
        "overloaded": 503,
        "certificate_unavailable": 503,
        "rate_limited": 429,
    }
    assert set(get_args(RefusedSignature)) == {
        "signature_missing",
        "signature_malformed",
        "signature_mismatch",
        "timestamp_too_old",
        "timestamp_in_future",
    }


def test_a_refused_signature_carries_its_reason() -> None:
    """The reason is the instance's, and all of them are 401."""
    refusal = SignatureRefused("timestamp_too_old")

    assert (refusal.status, refusal.reason) == (401, "timestamp_too_old")


def test_who_should_try_later_is_told_when() -> None:
    """A blip is over sooner than a full store."""
    assert StoreUnavailable.retry_after_seconds == 5
    assert StoreFull.retry_after_seconds == 30


@pytest.mark.parametrize(
    "message",
    [
        "OOM command not allowed when used memory > 'maxmemory'.",
        "ERR Error running script (call to f_1): @user_script:116: -OOM command not allowed",
        "@user_script: 116: -OOM command not allowed when used memory > 'maxmemory'.",
    ],
)
def test_every_servers_word_for_want_of_memory_is_understood(message: str) -> None:
    """Redis 6.2 puts the place in the script before it."""
    assert isinstance(refusal(message), StoreFull)
