"""Certificates are fetched within bounds, from where they may be, and seldom."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from structlog.testing import capture_logs

from relay.certificates.address import Address, sns_certificate
from relay.certificates.confirm import confirm
from relay.certificates.fetch import FETCHES_PER_MINUTE, Fetcher
from relay.certificates.get import MAX_BYTES, open_session
from relay.certificates.kept import FAILED_SECONDS
from relay.contract.errors import CertificateUnavailable
from tests.issuing import NOW, issue
from tests.relay.certificates.conftest import Host
from tests.relay.certificates.hostile import GOOD_SNS, hostile
from tests.waiting import wait_until

PEM = issue("sns.amazonaws.com").pem


class Clock:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Give the moment."""
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    """Monotonic seconds."""
    return Clock()


@pytest.fixture
async def fetcher(host: Host, clock: Clock) -> AsyncIterator[Fetcher]:
    """A fetcher whose names all lead to the test's server."""
    made = Fetcher(open_session=host.session, clock=clock, now=lambda: NOW)
    yield made
    await made.stop()


def address(number: int = 0) -> Address:
    """Give one of many addresses that may be fetched."""
    found = sns_certificate(
        f"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{number:032x}.pem"
    )
    assert found is not None
    return found


async def test_a_certificate_is_fetched_once_a_day(
    host: Host, fetcher: Fetcher, clock: Clock
) -> None:
    """What is kept is given without a connection, until a day is over."""
    host.says(b"200 OK", PEM)
    first = [await fetcher.fetch(address()), await fetcher.fetch(address())]
    clock.seconds += 24 * 3600 - 1
    last = await fetcher.fetch(address())
    kept_for = host.connections
    clock.seconds += 1
    await fetcher.fetch(address())

    assert first == [PEM, PEM]
    assert last == PEM
    assert (kept_for, host.connections) == (1, 2)


async def test_a_certificate_is_kept_no_longer_than_it_is_good(
    host: Host, fetcher: Fetcher, clock: Clock
) -> None:
    """Its sender has another one by then."""
    host.says(b"200 OK", issue("ends.soon", key=None, ends=NOW + 600).pem)
    await fetcher.fetch(address())
    clock.seconds += 601
    await fetcher.fetch(address())

    assert host.connections == 2


@pytest.mark.parametrize("url", hostile(GOOD_SNS))
async def test_a_bent_url_makes_no_connection(host: Host, fetcher: Fetcher, url: str) -> None:
    """There is nothing to fetch with: no name is looked up and no connection made."""
    found = sns_certificate(url)
    if found is not None:
        await fetcher.fetch(found)

    assert found is None
    assert (host.connections, host.looked_up) == (0, [])


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Away", b"308 Gone"])
async def test_a_redirect_is_not_followed(host: Host, fetcher: Fetcher, status: bytes) -> None:
    """Where it leads was not checked."""
    to = b"location: https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1"
    host.says(status + b"\r\n" + to, PEM)
    with pytest.raises(CertificateUnavailable):
        await fetcher.fetch(address())

    assert host.connections == 1
    assert host.looked_up == ["sns.us-east-1.amazonaws.com"]


@pytest.mark.parametrize("status", [b"201 Created", b"204 No Content", b"404 No", b"500 Error"])
async def test_any_answer_but_200_is_a_failure(host: Host, fetcher: Fetcher, status: bytes) -> None:
    """Its body is not looked at."""
    host.says(status, b"" if b"204" in status else PEM)

    with pytest.raises(CertificateUnavailable):
        await fetcher.fetch(address())


@pytest.mark.parametrize("body", [b"", b"no certificate", issue("old", ends=NOW - 1).pem])
async def test_what_is_no_good_certificate_is_a_failure(
    host: Host, fetcher: Fetcher, body: bytes
) -> None:
    """It proves nothing, and is not kept as if it did."""
    host.says(b"200 OK", body)

    with pytest.raises(CertificateUnavailable):
        await fetcher.fetch(address())


async def test_failures_are_kept_for_a_minute(host: Host, fetcher: Fetcher, clock: Clock) -> None:
    """A sender that names what is not there makes one connection a minute."""
    for _ in range(3):
        with pytest.raises(CertificateUnavailable):
            await fetcher.fetch(address())
    within = host.connections
    clock.seconds += FAILED_SECONDS
    host.says(b"200 OK", PEM)

    assert within == 1
    assert await fetcher.fetch(address()) == PEM


async def test_two_requests_at_once_make_one_fetch(host: Host, fetcher: Fetcher) -> None:
    """Both get what it brings."""
    host.says(b"200 OK", PEM)
    got = await asyncio.gather(*(fetcher.fetch(address()) for _ in range(20)))

    assert got == [PEM] * 20
    assert host.connections == 1


async def test_one_that_leaves_does_not_end_the_fetch_for_the_others(
    host: Host, fetcher: Fetcher
) -> None:
    """A sender that closes its connection takes nothing from those that wait beside it."""
    go_on = hold(host)
    waiting = [asyncio.create_task(fetcher.fetch(address())) for _ in range(2)]
    await wait_until(lambda: host.connections == 1, description="the request at the server")
    waiting[0].cancel()
    go_on()

    assert await waiting[1] == PEM
    assert host.connections == 1


async def test_few_fetches_are_made_in_a_minute(host: Host, fetcher: Fetcher, clock: Clock) -> None:
    """However many URLs strangers make up; what is kept is given all the same."""
    host.says(b"200 OK", PEM)
    for number in range(FETCHES_PER_MINUTE):
        await fetcher.fetch(address(number))
    with pytest.raises(CertificateUnavailable):
        await fetcher.fetch(address(100))
    kept = await fetcher.fetch(address(0))
    clock.seconds += 59.9
    with pytest.raises(CertificateUnavailable):
        await fetcher.fetch(address(100))
    made = host.connections
    clock.seconds += 0.1

    assert kept == PEM
    assert made == FETCHES_PER_MINUTE
    assert await fetcher.fetch(address(100)) == PEM


async def test_a_certificate_in_use_is_fetched_anew_whatever_strangers_do(
    host: Host, fetcher: Fetcher, clock: Clock
) -> None:
    """The URLs that they make up use up the minute, and it does not count in it."""
    host.says(b"200 OK", PEM)
    await fetcher.fetch(address(0))
    clock.seconds += 24 * 3600
    for number in range(FETCHES_PER_MINUTE):
        await fetcher.fetch(address(1 + number))

    assert await fetcher.fetch(address(0)) == PEM
    assert host.connections == 2 + FETCHES_PER_MINUTE


async def test_a_server_that_says_nothing_costs_no_longer_than_allowed(host: Host) -> None:
    """Its connection is given up in time."""
    hold(host)
    fetcher = Fetcher(open_session=host.session, seconds=0.2, now=lambda: NOW)
    with pytest.raises(CertificateUnavailable):
        await asyncio.wait_for(fetcher.fetch(address()), 10)
    await fetcher.stop()

    assert host.connections == 1


async def test_a_server_that_drips_costs_no_longer_than_allowed(host: Host) -> None:
    """Time is counted from the beginning, and not from the last byte."""
    host.answer = drip
    fetcher = Fetcher(open_session=host.session, seconds=0.3, now=lambda: NOW)
    with pytest.raises(CertificateUnavailable):
        await asyncio.wait_for(fetcher.fetch(address()), 10)
    await fetcher.stop()

    assert host.connections == 1


@pytest.mark.parametrize("length", [b"content-length: 99999999", b"x: no length"])
async def test_a_server_that_sends_without_end_is_left(host: Host, length: bytes) -> None:
    """No more is read than a certificate has."""
    sent = asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n")
        try:
            while True:
                writer.write(PEM)
                await writer.drain()
        finally:
            sent.set()

    host.answer = flood
    fetcher = Fetcher(open_session=host.session, seconds=60, now=lambda: NOW)
    with pytest.raises(CertificateUnavailable):
        await asyncio.wait_for(fetcher.fetch(address()), 20)
    await asyncio.wait_for(sent.wait(), 20)
    await fetcher.stop()

    assert host.connections == 1


async def test_a_certificate_may_have_so_many_bytes_and_no_more(
    host: Host, fetcher: Fetcher
) -> None:
    """Text around a certificate counts."""
    body = PEM + b"\n" * (MAX_BYTES - len(PEM))
    host.says(b"200 OK", body)
    got = await fetcher.fetch(address(1))
    host.says(b"200 OK", body + b"\n")

    assert got == body
    with pytest.raises(CertificateUnavailable):
        await fetcher.fetch(address(2))


async def test_what_is_packed_is_not_unpacked(host: Host, fetcher: Fetcher) -> None:
    """A few bytes could become many."""
    host.says(b"200 OK\r\ncontent-encoding: gzip", PEM)
    with capture_logs() as lines, pytest.raises(CertificateUnavailable):
        await fetcher.fetch(address())

    assert [line["error"] for line in lines] == ["packed"]
    assert b"Accept-Encoding: identity" in host.heads[0]


async def test_a_server_that_nobody_vouches_for_is_not_believed(host: Host) -> None:
    """Its certificate is good for another host."""
    fetcher = Fetcher(open_session=host.session, now=lambda: NOW)
    host.says(b"200 OK", PEM)
    found = sns_certificate(GOOD_SNS.replace("us-east-1", "eu-west-1"))
    assert found is not None
    with pytest.raises(CertificateUnavailable):
        await fetcher.fetch(found)
    await fetcher.stop()

    assert host.heads == []


async def test_a_session_unpacks_nothing() -> None:
    """What arrives is not even unpacked before it is refused."""
    session = open_session()
    await session.close()

    assert not session.auto_decompress


async def test_cookies_are_not_kept(host: Host, fetcher: Fetcher, clock: Clock) -> None:
    """One fetch tells nothing of another."""
    host.says(b"200 OK\r\nset-cookie: a=b", PEM)
    await fetcher.fetch(address(1))
    await fetcher.fetch(address(2))

    assert b"ookie" not in b"".join(host.heads)


async def test_it_goes_by_the_proxy_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateways often reach the internet by a proxy only."""
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    proxy = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    fetcher = Fetcher(now=lambda: NOW)
    with pytest.raises(CertificateUnavailable):
        await fetcher.fetch(address())
    await fetcher.stop()
    proxy.close()

    assert asked == [b"CONNECT sns.us-east-1.amazonaws.com:443 HTTP/1.1\r\n"]


async def test_a_failure_is_said_with_its_host_and_nothing_else_of_the_url(
    host: Host, fetcher: Fetcher
) -> None:
    """The rest of a subscription's URL is a token."""
    with capture_logs() as lines, pytest.raises(CertificateUnavailable):
        await confirm(fetcher, address())

    assert lines == [
        {
            "event": "certificate_not_fetched",
            "log_level": "warning",
            "host": "sns.us-east-1.amazonaws.com",
            "error": "status_404",
        }
    ]


async def test_a_subscription_is_confirmed_each_time(host: Host, fetcher: Fetcher) -> None:
    """Nothing is kept of it, neither of success nor of failure."""
    with pytest.raises(CertificateUnavailable):
        await confirm(fetcher, address())
    host.says(b"200 OK", b"<ConfirmSubscriptionResponse/>")
    await confirm(fetcher, address())
    await confirm(fetcher, address())

    assert host.connections == 3


async def test_subscriptions_are_confirmed_while_strangers_make_us_fetch(
    host: Host, fetcher: Fetcher
) -> None:
    """Each has a minute's room of its own."""
    host.says(b"200 OK", PEM)
    for number in range(FETCHES_PER_MINUTE):
        await fetcher.fetch(address(number))
    for _ in range(FETCHES_PER_MINUTE):
        await confirm(fetcher, address())
    with pytest.raises(CertificateUnavailable):
        await confirm(fetcher, address())

    assert host.connections == 2 * FETCHES_PER_MINUTE


async def test_stopping_ends_what_is_fetched(host: Host) -> None:
    """Who waits is told to try later, and so is who comes after."""
    hold(host)
    fetcher = Fetcher(open_session=host.session, seconds=600, now=lambda: NOW)
    waiting = asyncio.create_task(fetcher.fetch(address()))
    await wait_until(lambda: host.connections == 1, description="the request at the server")
    await asyncio.wait_for(fetcher.stop(), 20)
    await fetcher.stop()

    for late in (waiting, fetcher.fetch(address(1)), confirm(fetcher, address())):
        with pytest.raises(CertificateUnavailable):
            await late


async def test_stopping_may_come_before_anything_was_fetched() -> None:
    """There is no session yet."""
    fetcher = Fetcher()
    await fetcher.stop()

    with pytest.raises(CertificateUnavailable):
        await fetcher.fetch(address())


def hold(host: Host) -> Callable[[], None]:
    """Have the server say nothing until the answer is called, and the certificate then."""
    go_on = asyncio.Event()
    host.says(b"200 OK", PEM)
    say = host.answer

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = asyncio.create_task(reader.read())
        going = asyncio.create_task(go_on.wait())
        await asyncio.wait((gone, going), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        going.cancel()
        await say(reader, writer)

    host.answer = wait
    return go_on.set


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a byte at a time for as long as somebody reads."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"\n")
        await writer.drain()
        await asyncio.sleep(0.02)
