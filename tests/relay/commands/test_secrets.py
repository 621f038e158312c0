"""``relay secrets`` on real servers."""

import asyncio
import json
from pathlib import Path

import pytest

from relay.contract.connect import connect
from relay.contract.keys import Keys
from relay.handshake.pending import PendingSecret, PendingSecrets, fingerprint_of
from tests.relay.commands.conftest import Relay
from tests.servers import Server

pytestmark = pytest.mark.redis

SECRET, OTHER = "secret_of_notion_itself_0001", "secret_of_a_stranger_0001"
FILE = """
[redis]
url = "{url}"
[endpoints.notion]
provider = "notion"
secrets = [{files}]
"""


def keep(server: Server, *secrets: str) -> None:
    """Have secrets of the endpoint come by handshakes."""

    async def come() -> None:
        redis = connect(server.url, role="test")
        for secret in secrets:
            await PendingSecrets(redis, Keys()).keep("notion", secret)
        await redis.aclose()

    asyncio.run(come())


def waiting(server: Server) -> list[str]:
    """Give those that wait."""

    async def look() -> list[PendingSecret]:
        redis = connect(server.url, role="test")
        found = await PendingSecrets(redis, Keys()).waiting()
        await redis.aclose()
        return found

    return [each.secret for each in asyncio.run(look())]


@pytest.fixture
def files(server: Server, tmp_path: Path) -> tuple[Path, Path]:
    """A configuration whose endpoint reads two files, neither of which is there yet."""
    first, second = tmp_path / "first.secret", tmp_path / "second.secret"
    both = f'{{ file = "{first}" }}, {{ file = "{second}" }}'
    (tmp_path / "relay.toml").write_text(FILE.format(url=server.url, files=both))
    return first, second


def test_what_waits_is_shown_without_itself(
    relay: Relay, server: Server, files: tuple[Path, Path]
) -> None:
    """Endpoint, time and fingerprint; the secret only where it is asked for."""
    del files
    keep(server, SECRET)
    table, shown = relay("secrets", "pending"), relay("secrets", "pending", "--show")
    (row,) = json.loads(relay("secrets", "pending", "--json").stdout)

    assert fingerprint_of(SECRET) in table.stdout
    assert SECRET not in table.stdout
    assert SECRET in shown.stdout
    assert set(row) == {"endpoint", "came", "fingerprint"}
    assert row["endpoint"] == "notion"


def test_nothing_waits(relay: Relay, server: Server) -> None:
    """Which is no fault."""
    done = relay("secrets", "pending", "--redis-url", server.url)

    assert (done.exit_code, done.stdout) == (0, "No secret waits.\n")


def test_an_accepted_secret_is_in_its_file_and_waits_no_more(
    relay: Relay, server: Server, files: tuple[Path, Path]
) -> None:
    """For its owner only, and with a word of what makes it count."""
    keep(server, SECRET)
    done = relay("secrets", "accept", "notion")

    assert done.exit_code == 0
    assert "within seconds" in done.stdout
    assert SECRET not in done.stdout
    assert files[0].read_text() == f"{SECRET}\n"
    assert files[0].stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in files[0].parent.iterdir()) == ["first.secret", "relay.toml"]
    assert waiting(server) == []


def test_of_several_one_must_be_named(
    relay: Relay, server: Server, files: tuple[Path, Path]
) -> None:
    """A stranger's may be among them."""
    keep(server, OTHER, SECRET)
    unnamed = relay("secrets", "accept", "notion")
    named = relay("secrets", "accept", "notion", fingerprint_of(SECRET)[:6])

    assert (unnamed.exit_code, named.exit_code) == (2, 0)
    assert files[0].read_text() == f"{SECRET}\n"
    assert waiting(server) == [OTHER]


def test_another_secret_is_overwritten_only_when_told_to(
    relay: Relay, server: Server, files: tuple[Path, Path]
) -> None:
    """The first file without one is taken; where there is none, it waits."""
    first, second = files
    keep(server, SECRET)
    first.write_text(OTHER)
    second.write_text(OTHER + "2")
    refused = relay("secrets", "accept", "notion")
    left = (first.read_text(), waiting(server))
    second.write_text("\n")
    beside = relay("secrets", "accept", "notion")
    keep(server, SECRET + "3")
    replaced = relay("secrets", "accept", "notion", "--replace")

    assert (refused.exit_code, beside.exit_code, replaced.exit_code) == (1, 0, 0)
    assert left == (OTHER, [SECRET])
    assert (first.read_text(), second.read_text()) == (f"{SECRET}3\n", f"{SECRET}\n")


def test_accepting_twice_is_accepting_once(
    relay: Relay, server: Server, files: tuple[Path, Path]
) -> None:
    """As after a crash between the file and the book."""
    keep(server, SECRET)
    relay("secrets", "accept", "notion")
    keep(server, SECRET)
    again = relay("secrets", "accept", "notion")

    assert again.exit_code == 0
    assert "already" in again.stdout
    assert not files[1].exists()
    assert waiting(server) == []


def test_a_failed_write_leaves_the_secret_waiting(
    relay: Relay, server: Server, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing beside the file, nor half of it."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    keep(server, SECRET)
    with monkeypatch.context() as patched:
        patched.setattr("relay.handshake.secret_file.os.fsync", full)
        done = relay("secrets", "accept", "notion")

    assert done.exit_code == 1
    assert [path.name for path in files[0].parent.iterdir()] == ["relay.toml"]
    assert waiting(server) == [SECRET]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["accept", "notion"], 1, "No such secret of notion waits"),
        (["accept", "other"], 2, "No endpoint is called other"),
        (["drop", "notion"], 1, "No such secret of notion waits"),
    ],
)
def test_what_is_not_there_is_said(
    relay: Relay, files: tuple[Path, Path], arguments: list[str], code: int, said: str
) -> None:
    """With the exit code of a failure, or of wrong usage."""
    del files
    done = relay("secrets", *arguments)

    assert done.exit_code == code
    assert said in done.stderr


def test_an_endpoint_without_a_file_is_told_to_have_one(
    relay: Relay, server: Server, tmp_path: Path
) -> None:
    """There is nowhere to write to, so the secret goes on waiting."""
    (tmp_path / "relay.toml").write_text(FILE.format(url=server.url, files=""))
    keep(server, SECRET)
    done = relay("secrets", "accept", "notion")

    assert done.exit_code == 2
    assert "secrets = [{ file =" in done.stderr
    assert waiting(server) == [SECRET]


def test_dropped_ones_are_forgotten(relay: Relay, server: Server, files: tuple[Path, Path]) -> None:
    """One by its fingerprint, or all of the endpoint."""
    keep(server, SECRET, OTHER, OTHER + "2")
    relay("secrets", "drop", "notion", fingerprint_of(SECRET))
    left = waiting(server)
    done = relay("secrets", "drop", "notion")

    assert left == [OTHER, OTHER + "2"]
    assert done.stdout == "Dropped 2 of notion.\n"
    assert waiting(server) == []
    assert not files[0].exists()
