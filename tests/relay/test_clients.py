"""Which client a request came from."""

import ipaddress
from collections.abc import Sequence

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from relay.receive.clients import Clients, Network

INSIDE = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


def address(
    peer: str,
    headers: Sequence[str],
    trusted: Sequence[Network] = INSIDE,
) -> str:
    """Say who sent a request that came from a peer with these headers."""
    given_headers = CIMultiDict([("X-Forwarded-For", header) for header in headers])
    request = make_mocked_request("POST", "/", headers=given_headers).clone(remote=peer)
    return Clients(trusted).address_of(request)


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("203.0.113.1", ["198.51.100.7"], "203.0.113.1"),  # anyone can write a header
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["192.0.2.1, 198.51.100.7"], "198.51.100.7"),  # its first part is a claim
        ("10.0.0.1", ["198.51.100.7, 10.0.0.9, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7", "10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # proxies all the way
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("", ["198.51.100.7"], ""),  # a unix socket has no address
    ],
)
def test_the_nearest_hop_that_is_no_proxy_is_the_client(
    peer: str, headers: list[str], client: str
) -> None:
    """What a trusted proxy says is believed, and nothing that stands before that."""
    assert address(peer, headers) == client


def test_without_trusted_proxies_the_peer_is_the_client() -> None:
    """No header counts where nobody was said to be a proxy."""
    assert address("10.0.0.1", ["198.51.100.7"], []) == "10.0.0.1"


@given(st.lists(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=80)))
def test_any_header_gives_an_address(headers: list[str]) -> None:
    """Whatever stands in the header, the client is an address."""
    client = address("10.0.0.1", headers)

    assert str(ipaddress.ip_address(client)) == client
