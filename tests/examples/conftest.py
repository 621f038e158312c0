"""A PostgreSQL server for the examples, started once, with an empty database for each test."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from tests.examples.services import Service
from tests.postgres import find_binaries, postgres

Database = psycopg.Connection[tuple[Any, ...]]
EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server that lives as long as the test run."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("this machine has no PostgreSQL server")
    with postgres(binaries) as url:
        yield url


@pytest.fixture
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A connection to an empty database, which the examples find in their environment."""
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(EMPTY)
        yield connection


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A local service that answers every request well until it is told to fail."""
    service = Service()
    async with service.serving():
        yield service
