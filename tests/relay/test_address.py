"""Where the store is, and who goes there, read from a URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.contract.address import (
    SCHEMES,
    Address,
    Host,
    Kind,
    WrongAddress,
    read_address,
    write_address,
)
from relay.contract.tls import read_tls

HIDDEN = "hunter2"
LOCAL = (Host("localhost", 6379),)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", Address(kind="server", hosts=LOCAL)),
        ("redis://:6380/1", Address(kind="server", hosts=(Host("localhost", 6380),), db=1)),
        ("redis://a?db=2", Address(kind="server", hosts=(Host("a", 6379),), db=2)),
        ("redis://a/1?db=2", Address(kind="server", hosts=(Host("a", 6379),), db=2)),
        ("redis://[::1]:7/", Address(kind="server", hosts=(Host("::1", 7),))),
        ("redis://me@a", Address(kind="server", hosts=(Host("a", 6379),), username="me")),
        ("redis://:@a", Address(kind="server", hosts=(Host("a", 6379),))),
        (
            "redis://m%65:p%40%2Fs:s@a",
            Address(kind="server", hosts=(Host("a", 6379),), username="me", password="p@/s:s"),
        ),
        (
            "rediss://a?ssl_cert_reqs=none",
            Address(
                kind="server",
                hosts=(Host("a", 6379),),
                tls=True,
                tls_options=(("ssl_cert_reqs", "none"),),
            ),
        ),
        (
            "unix://me:s@/run/my%20store.sock?db=3",
            Address(kind="unix", path="/run/my store.sock", db=3, username="me", password="s"),
        ),
        (
            (
                "redis+sentinel://me:s@a,[::1]:2,c:3/my%2Fservice/4?sentinel_username=w"
                "&sentinel_password=x%20y"
            ),
            Address(
                kind="sentinel",
                hosts=(Host("a", 26379), Host("::1", 2), Host("c", 3)),
                service="my/service",
                db=4,
                username="me",
                password="s",
                sentinel_username="w",
                sentinel_password="x y",
            ),
        ),
        (
            "rediss+sentinel://a/service",
            Address(kind="sentinel", hosts=(Host("a", 26379),), service="service", tls=True),
        ),
        (
            "redis+cluster://:s@a:1,b,[fe80::1%25eth0]:3",
            Address(
                kind="cluster",
                hosts=(Host("a", 1), Host("b", 6379), Host("fe80::1%eth0", 3)),
                password="s",
            ),
        ),
        (
            "rediss+cluster://a/0",
            Address(kind="cluster", hosts=(Host("a", 6379),), tls=True),
        ),
    ],
)
def test_every_form_of_a_url_is_read(url: str, address: Address) -> None:
    """Hosts with ports, user, password, service, database, TLS."""
    assert read_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        HIDDEN,
        f"http://{HIDDEN}@a",
        f"redis:{HIDDEN}",
        f"redis://:{HIDDEN}/x@a",
        "redis://:12/x@a",
        "redis://:12?ss@a",
        "redis://:12#ss@a",
        f"redis://:{HIDDEN}@a:port",
        f"redis://:{HIDDEN}@a:0",
        f"redis://:{HIDDEN}@a:70000",
        f"redis://:{HIDDEN}@a/zero",
        f"redis://:{HIDDEN}@a/1/2",
        f"redis://:{HIDDEN}@a/-1",
        f"redis://:{HIDDEN}@a,b",
        f"redis://:{HIDDEN}@[::1",
        f"redis://:{HIDDEN}@a\n",
        f"redis://:{HIDDEN}@a?protocol=3",
        f"redis://a?password={HIDDEN}",
        f"redis://a?sentinel_password={HIDDEN}",
        f"redis://:{HIDDEN}@a?ssl_ca_certs=/x",
        f"rediss://a?ssl_{HIDDEN}=1",
        f"rediss://a?ssl_cert_reqs={HIDDEN}",
        "rediss://a?ssl_min_version=7",
        f"rediss://a?ssl_min_version={HIDDEN}",
        f"rediss://a?ssl_include_verify_flags={HIDDEN}",
        f"unix://:{HIDDEN}@",
        f"unix://:{HIDDEN}@a/path",
        f"redis+sentinel://:{HIDDEN}@a",
        f"redis+sentinel://:{HIDDEN}@/service",
        f"redis+sentinel://:{HIDDEN}@a,,b/service",
        f"redis+cluster://:{HIDDEN}@a/1",
        f"redis+cluster://:{HIDDEN}@",
    ],
)
def test_what_is_no_url_of_a_store_is_refused_without_repeating_it(url: str) -> None:
    """Any part of it may be a password that was not written as %XX."""
    with pytest.raises(WrongAddress) as caught:
        read_address(url)

    assert HIDDEN not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://me:hunter2@a:1/2", "a:1"),
        ("redis://[::1]", "[::1]:6379"),
        ("unix://me:hunter2@/run/a.sock", "/run/a.sock"),
        ("redis+sentinel://a,b:1/service/0?sentinel_password=hunter2", "a:26379,b:1/service"),
        ("rediss+cluster://:hunter2@a,b", "a:6379,b:6379"),
    ],
)
def test_neither_a_place_nor_a_repr_holds_a_password(url: str, place: str) -> None:
    """Both stand in logs and in tracebacks."""
    address = read_address(url)

    assert address.place == place
    assert HIDDEN not in f"{address!r}{address}"


def test_values_of_tls_options_come_in_the_form_that_connections_take() -> None:
    """Text in a URL, truth and numbers in redis-py."""
    url = "rediss://a?ssl_check_hostname=false&ssl_ca_certs=/a%20b&ssl_min_version=772"
    options = read_tls(dict(read_address(url).tls_options))

    assert options == {
        "ssl_check_hostname": False,
        "ssl_ca_certs": "/a b",
        "ssl_min_version": 772,
    }


def test_what_sentinels_tell_of_is_gone_to_as_the_same_user() -> None:
    """With the same encryption and database."""
    address = read_address("rediss+sentinel://me:s@a,b/service/3?ssl_cert_reqs=none")

    assert address.at(Host("c", 1)) == read_address("rediss://me:s@c:1/3?ssl_cert_reqs=none")


WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
SECRETS = st.none() | WORDS
HOSTS = st.builds(
    Host,
    st.sampled_from(["a", "store.example", "10.0.0.1", "::1", "fe80::1%eth0"]),
    st.integers(1, 65_535),
)


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    """Any address that there can be."""
    kind, tls = draw(st.sampled_from(sorted(SCHEMES.values())))
    return Address(
        kind=kind,
        tls=tls,
        hosts=tuple(draw(_hosts(kind))),
        path="/" + draw(WORDS.filter(lambda text: text.strip("/"))) if kind == "unix" else "",
        service=draw(WORDS) if kind == "sentinel" else "",
        db=0 if kind == "cluster" else draw(st.integers(0, 99)),
        username=draw(SECRETS),
        password=draw(SECRETS),
        sentinel_username=draw(SECRETS) if kind == "sentinel" else None,
        sentinel_password=draw(SECRETS) if kind == "sentinel" else None,
        tls_options=(("ssl_ca_certs", draw(WORDS)),) if tls and draw(st.booleans()) else (),
    )


def _hosts(kind: Kind) -> st.SearchStrategy[list[Host]]:
    most = {"unix": 0, "server": 1}.get(kind, 3)
    return st.lists(HOSTS, min_size=min(1, most), max_size=most)


@given(addresses())
def test_a_url_that_was_written_is_read_as_the_same_address(address: Address) -> None:
    """Whatever signs stand in names and passwords."""
    assert read_address(write_address(address)) == address


@given(st.text(), st.sampled_from(sorted(SCHEMES)))
def test_reading_never_fails_in_another_way(text: str, scheme: str) -> None:
    """Whatever somebody writes into a variable."""
    try:
        read_address(f"{scheme}://{text}")
    except WrongAddress:
        return
