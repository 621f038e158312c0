"""Whom to ask whether a signature is right."""

from collections.abc import Iterator

import pytest

from tests.independent.ask import Independent


@pytest.fixture(scope="session")
def independent() -> Iterator[Independent]:
    """Give the implementations that are not ours."""
    others = Independent()
    yield others
    others.stop()
