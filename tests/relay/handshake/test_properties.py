"""Whatever comes, a handshake is answered, refused, or none."""

import asyncio
import contextlib
from typing import Any
from urllib.parse import quote

from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.contract.errors import DeliveryRefused
from relay.endpoint import Endpoint, Secret
from relay.handshake import Answered, Asked, Handshakes
from relay.providers import PROVIDERS
from tests.relay.handshake.trying import written

SENDERS = sorted(name for name, preset in PROVIDERS.items() if preset.handshakes)
PLACES = sorted(
    {
        place
        for name in SENDERS
        for each in PROVIDERS[name].handshakes
        for place in (each.place, each.challenge_place, each.token)
        if place
    }
)
VALUES = sorted(
    str(each.value) for name in SENDERS for each in PROVIDERS[name].handshakes if each.value
)
ANYTHING = st.text(max_size=600) | st.sampled_from(VALUES)


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Make a request with anything at the places of handshakes."""
    said = draw(st.dictionaries(st.sampled_from(PLACES), ANYTHING, max_size=4))
    parts: dict[str, dict[str, str]] = {"header": {}, "query": {}, "body": {}}
    for place, value in said.items():
        source, _, name = place.partition(".")
        parts[source][name] = value
    pairs = ((quote(k), quote(v, errors="replace")) for k, v in parts["query"].items())
    encodable = {k: v.encode("utf-8", "replace").decode() for k, v in parts["body"].items()}
    name = draw(st.sampled_from(SENDERS))
    endpoint = Endpoint(
        name=name,
        provider=PROVIDERS[name],
        secrets=(Secret("a_secret", "test"),),
        verify_token=Secret("token", "test"),
        origins=frozenset({"*"}),
    )
    method = draw(st.sampled_from(["POST", "GET", "HEAD", "OPTIONS", "\ud800"]))
    query = draw(st.just("&".join(map("=".join, pairs))) | st.text(max_size=80))
    body = draw(st.just(written(encodable)) | st.binary(max_size=200))
    return Asked(endpoint, method, parts["header"], query, body)


async def _keep(*_: Any) -> None:
    """Keep anything."""


async def _answers(asked: Asked) -> list[Answered | None]:
    handshakes, found = Handshakes(_keep), []
    for step in (handshakes.at_head, handshakes.unsigned):
        with contextlib.suppress(DeliveryRefused):
            found.append(await step(asked))
    return found


@settings(max_examples=150)
@given(requests())
@example(Asked(Endpoint(name="x", provider=PROVIDERS["zoom"], secrets=()), "POST", {}, "\udcff=%"))
def test_nothing_else_is_raised_and_nothing_harmful_is_sent_back(asked: Asked) -> None:
    """An answer has no line break in a header, and in plain text no markup."""
    for answered in filter(None, asyncio.run(_answers(asked))):
        assert all(text.isascii() and text.isprintable() for text in answered.headers.values())
        assert len(answered.body) < 1000
        if answered.content_type == "text/plain":
            assert not set(answered.body) & set(b'<>&"\r\n\0')
