"""Encrypted connections to a store, against a real server that takes them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from relay.commands.check.look import look
from relay.contract.address import Host
from relay.contract.cluster import nodes
from relay.contract.connect import connect
from relay.contract.connect_sync import connect_sync
from relay.contract.event import Appended
from relay.contract.explain import explain
from tests.certificates import Authority, Certificate
from tests.conftest import StartServer
from tests.making import make_identified
from tests.relay.appending import KEYS, make_bench
from tests.sentinels import SERVICE, SentinelProcess, Watch
from tests.servers import Server, find_binary, free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.redis


@dataclass(frozen=True)
class Encrypted:
    """A server that takes encrypted connections, of those who have a certificate.

    Args:
        server: The server.
        port: Where it takes them.
        authority: Who has signed its certificate, which is valid for ``localhost``.
        own: A certificate that it takes, valid for ``127.0.0.1`` too.
    """

    server: Server
    port: int
    authority: Authority
    own: Certificate

    def url(self, host: str = "localhost", **options: object) -> str:
        """Give its URL for somebody who has all that is needed, with these options changed."""
        options = self.options | options
        said = {name: value for name, value in options.items() if value is not None}
        return f"rediss://{host}:{self.port}/0?{urlencode(said)}"

    @property
    def options(self) -> dict[str, object]:
        """What the URL says of TLS."""
        return {
            "ssl_ca_certs": self.authority.certificate,
            "ssl_certfile": self.own.certificate,
            "ssl_keyfile": self.own.key,
        }


@pytest.fixture(scope="module")
def encrypted(
    shared_servers: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Encrypted]:
    """A server with TLS; Debian's has it built in."""
    authority = Authority(tmp_path_factory.mktemp("authority"), "authority")
    names = authority.sign("server", "DNS:localhost")
    own = authority.sign("client", "IP:127.0.0.1")
    server, port = shared_servers("redis"), free_port()
    settings = ("tls-cert-file", names.certificate, "tls-key-file", names.key)
    trust = ("tls-ca-cert-file", authority.certificate, "tls-port", port)
    with server.client() as client:
        try:
            words = map(str, (*settings, *trust))
            client.execute_command("CONFIG", "SET", *words)
        except ResponseError:
            pytest.skip("this server has no TLS built in")
        yield Encrypted(server, port, authority, own)
        client.config_set("tls-port", 0)


async def said_of(url: str) -> str:
    """Give what a user is told who goes there in vain."""
    client = connect(url, role="test")
    try:
        with pytest.raises(RedisConnectionError) as caught:
            await client.ping()
    finally:
        await client.aclose()
    explanation = explain(caught.value)
    assert explanation is not None
    return explanation.message


async def test_a_server_that_the_authority_knows_is_trusted(encrypted: Encrypted) -> None:
    """Coroutines and threads read the same options."""
    client = connect(encrypted.url(), role="test")
    of_thread = connect_sync(encrypted.url(), timeout_seconds=2.0)

    assert await client.ping()
    assert of_thread.ping()
    of_thread.close()
    await client.aclose()


async def test_a_certificate_of_another_authority_is_not_trusted(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    """Whoever answers could be anybody."""
    other = Authority(tmp_path, "other")
    said = await said_of(encrypted.url(ssl_ca_certs=other.certificate))

    assert "not trusted" in said
    assert "ssl_ca_certs" in said


async def test_without_an_authority_of_its_own_only_the_systems_are_trusted(
    encrypted: Encrypted,
) -> None:
    """Encryption without trust is never a default."""
    assert "not trusted" in await said_of(encrypted.url(ssl_ca_certs=None))


async def test_a_certificate_for_another_name_is_not_trusted(encrypted: Encrypted) -> None:
    """Unless the URL says that names do not matter."""
    said = await said_of(encrypted.url("127.0.0.1"))
    client = connect(encrypted.url("127.0.0.1", ssl_check_hostname="false"), role="test")
    answered = await client.ping()
    await client.aclose()

    assert "not trusted" in said
    assert answered


async def test_whoever_shows_no_certificate_is_refused(encrypted: Encrypted) -> None:
    """Where the server asks for one, the one that is named is shown."""
    said = await said_of(encrypted.url(ssl_certfile=None, ssl_keyfile=None))

    assert "cannot be reached" in said


async def test_a_file_that_is_not_there_is_told_of(encrypted: Encrypted) -> None:
    """It is read at each connect, so that it can be replaced."""
    said = await said_of(encrypted.url(ssl_ca_certs="/none"))

    assert "No such file" in said
    assert "ssl_" in said


def test_check_says_why_a_server_is_not_trusted(encrypted: Encrypted, tmp_path: Path) -> None:
    """It is the first thing to run when nothing works."""
    other = Authority(tmp_path, "other")
    found = look({}, encrypted.url(ssl_ca_certs=other.certificate), repair=False)

    assert any(finding.state == "fail" and "not trusted" in repr(finding) for finding in found)


async def test_sentinels_are_asked_over_encrypted_connections_too(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    """What they say decides where passwords and events go."""
    binary = find_binary("redis")
    assert binary is not None
    both = encrypted.authority.sign("both", "IP:127.0.0.1")
    files = [
        f"tls-cert-file {both.certificate}",
        f"tls-key-file {both.key}",
        f"tls-ca-cert-file {encrypted.authority.certificate}",
    ]
    port = free_port()
    watch = Watch(
        primary=Host("127.0.0.1", encrypted.port),
        quorum=1,
        more=[*files, f"tls-port {port}", "tls-replication yes"],
    )
    sentinel = SentinelProcess(binary, tmp_path, watch)
    options = urlencode(encrypted.options | {"ssl_check_hostname": "false"})
    url = f"rediss+sentinel://127.0.0.1:{port}/{SERVICE}/0?{options}"
    client = connect(url, role="test")
    of_thread = connect_sync(url, timeout_seconds=2.0)
    sentinel.start()
    try:

        async def answers() -> bool:
            try:
                return bool(await client.ping())
            except RedisConnectionError:
                return False

        await wait_until(answers, description="the sentinel knows the server")

        assert of_thread.ping()
        assert f":{encrypted.port}" in repr((await client.client_info())["laddr"])
    finally:
        of_thread.close()
        await client.aclose()
        sentinel.stop()


async def test_a_cluster_is_followed_over_encrypted_connections(
    encrypted: Encrypted, start_server: StartServer
) -> None:
    """Also where its servers say that the keys are: an event is stored, and both kinds see it."""
    both, port = encrypted.authority.sign("node", "IP:127.0.0.1"), free_port()
    options = {
        "tls-port": str(port),
        "tls-cluster": "yes",  # else servers name each other by their open ports
        "tls-cert-file": str(both.certificate),
        "tls-key-file": str(both.key),
        "tls-ca-cert-file": str(encrypted.authority.certificate),
    }
    start_server("redis-cluster", "none", options)
    url = f"rediss+cluster://127.0.0.1:{port}?{urlencode(encrypted.options)}"
    client, of_thread = connect(url, role="test"), connect_sync(url, timeout_seconds=2.0)
    bench = make_bench(client)
    try:
        (stored,) = await bench.append(make_identified("evt_1"))
        places = [str((await node.client_info())["laddr"]) for node in nodes(client)]
        seen = of_thread.xlen(KEYS.stream("unipile", "message.new"))
    finally:
        of_thread.close()
        await bench.appender.stop()
        await client.aclose()

    assert isinstance(stored, Appended)
    assert places == [f"127.0.0.1:{port}"]
    assert seen == 1
