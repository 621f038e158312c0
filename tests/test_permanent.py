"""The look for keys that nothing will ever remove."""

import pytest

from tests.permanent import keys_without_end
from tests.servers import Server


@pytest.mark.redis
def test_a_key_without_end_is_found(server: Server) -> None:
    """A key that neither expires nor has a place in the list is named with its type."""
    with server.client() as client:
        client.set("relay:{unipile}@seen:x", "1")
        client.set("relay:{unipile}:message.new", "no stream")
        client.set("relay:@alive:crm:host", "1", ex=60)
        client.xadd("relay:{unipile#3}:message.new", {"a": "b"})
        client.sadd("relay:@tags", "unipile")
        found = keys_without_end(client)
        client.flushall()

    assert found == ["relay:{unipile}:message.new (string)", "relay:{unipile}@seen:x (string)"]
