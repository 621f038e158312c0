"""Whom to ask whether a signature is right, and keys to sign with."""

from collections.abc import Iterator

import pytest

from tests.independent.ask import Independent
from tests.independent.keys import Keys


@pytest.fixture(scope="session")
def independent() -> Iterator[Independent]:
    """Give the implementations that are not ours."""
    others = Independent()
    yield others
    others.stop()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Give the sender's keys."""
    return Keys("sender_test_secret_00000", tmp_path_factory.mktemp("sender"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Give somebody else's keys."""
    return Keys("stranger_secret_00000000", tmp_path_factory.mktemp("stranger"))
