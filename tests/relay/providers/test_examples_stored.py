"""Examples of all senders, sent to a running gateway: each becomes an entry of its own stream."""

from pathlib import Path

import pytest

from relay.commands.post import Sender, post_all
from relay.contract.examples import example_types
from relay.contract.keys import Keys
from relay.providers import PROVIDERS
from tests.programs import gateway
from tests.relay.providers.senders import sender_of, table_of
from tests.servers import NAMES, Server

pytestmark = pytest.mark.redis


# Of the server nothing is asked but what is in a stream.
@pytest.mark.parametrize("server", NAMES[:1], indirect=True)
async def test_each_example_lands_in_a_stream_of_its_type(server: Server, tmp_path: Path) -> None:
    """Signed as the sender does, over HTTP, for every preset; none is unidentified."""
    tables = [table_of(name, name, tmp_path) for name in PROVIDERS]
    (tmp_path / "relay.toml").write_text("\n".join(tables))
    wanted = [(name, kind) for name in PROVIDERS for kind in example_types(name)]

    with gateway(tmp_path, server.url) as program:
        url = f"http://127.0.0.1:{program.port}/webhooks"
        answers = {
            (name, kind): await post_all(
                Sender(endpoint=sender_of(name).endpoint, event_type=kind, key=sender_of(name).key),
                1,
                url=f"{url}/{name}",
            )
            for name, kind in wanted
        }

    refused = {key: found for key, (found,) in answers.items() if found.result != "stored"}
    with server.client() as client:
        missing = [key for key in wanted if not client.exists(Keys().stream(*key))]
        unidentified = list(client.scan_iter("relay:*:unidentified"))
    assert (refused, missing, unidentified) == ({}, [], [])
