"""Which of Unipile's endpoints ``reconcile`` finds, and what it says of those that have gone."""

from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from relay.commands.unipile.reconcile import comparing
from relay.unipile.stand_in import StandIn
from tests.relay.commands.conftest import Relay
from tests.relay.commands.unipile.planting import HOUR, KEY, NOWHERE, TYPES, failures, planted
from tests.relay.commands.unipile.test_reconcile import document, reconcile
from tests.servers import Server


@pytest.mark.redis
async def test_a_secret_whose_endpoint_has_gone_is_named(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """What it alone has tried is in no log any more, so nothing lost is not all of the truth."""
    async with planted(one_server, tmp_path) as field:
        whole = await reconcile(relay, field.unipile)
        field.unipile._books.endpoints.delete(field.second)
        half = await reconcile(relay, field.unipile)
        said = await document(relay, field)
        named = await reconcile(relay, field.unipile, "unipile", "--id", field.first)
        toml = (tmp_path / "relay.toml").read_text()
        ended = toml.replace('file = "second"', 'file = "second", not_after = 2030-01-01T00:00:00Z')
        (tmp_path / "relay.toml").write_text(ended)
        rotated = await reconcile(relay, field.unipile)

    # One that was given an end was rotated out, which is no alarm.
    assert (rotated.exit_code, rotated.stderr) == (0, half.stderr)
    assert (whole.exit_code, whole.stderr) == (0, "")
    assert (half.exit_code, half.stderr.count("\n")) == (1, 1)
    assert (said["lost"], said["ok"], said["doubts"]) == ([], False, [half.stderr.strip()])
    assert "No endpoint of Unipile's has file:second now" in half.stderr
    assert (named.exit_code, named.stderr) == (0, "")


@pytest.mark.redis
async def test_an_endpoint_that_was_named_and_is_anothers_is_said(
    relay: Relay, one_server: Server, tmp_path: Path
) -> None:
    """Where all secrets can be read; what it has lost says nothing of ours."""
    async with planted(one_server, tmp_path) as field:
        other = field.unipile.add_endpoint(NOWHERE, TYPES)
        done = await reconcile(relay, field.unipile, "unipile", "--id", other.id)
        (tmp_path / "second").unlink()
        unread = await reconcile(relay, field.unipile, "unipile", "--id", other.id)

    assert (done.exit_code, unread.exit_code, unread.stderr) == (1, 0, "")
    assert f"endpoint {other.id} has no secret of unipile" in done.stderr


@pytest.mark.redis
async def test_a_result_that_cannot_be_kept_does_not_cost_the_verdict(
    relay: Relay, one_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the store goes away at that."""

    async def gone(*_: object) -> None:
        raise RedisConnectionError("Connection lost")

    monkeypatch.setattr(comparing, "write_result", gone)
    async with planted(one_server, tmp_path) as field:
        field.plant(*failures("evt_1"))
        done = await reconcile(relay, field.unipile)

    assert (done.exit_code, "lost: 1" in done.stdout) == (1, True)
    assert "could not be kept for the metrics (ConnectionError)" in done.stderr


async def test_an_endpoint_that_unipile_does_not_have_cannot_be_compared(
    relay: Relay, tmp_path: Path
) -> None:
    """It must not pass for one that has lost nothing."""
    (tmp_path / "first").write_text("wes_of-nobody")
    (tmp_path / "relay.toml").write_text(
        '[endpoints.unipile]\nprovider = "unipile"\nsecrets = [{ file = "first" }]\n'
    )
    async with StandIn(KEY) as unipile:
        unipile.add_endpoint(NOWHERE, TYPES)
        done = await reconcile(relay, unipile)

    assert (done.exit_code, done.stdout) == (1, "")
    assert "None of Unipile's endpoints has a secret of unipile" in done.stderr


@pytest.mark.redis
@pytest.mark.parametrize("ahead_ms", [-HOUR, 100 * HOUR])
async def test_clocks_that_are_apart_are_said(
    relay: Relay, one_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead_ms: int
) -> None:
    """Of a machine behind the last hour is hidden, and of one far ahead the whole log."""
    now_ms = comparing._now_ms
    async with planted(one_server, tmp_path) as field:
        field.plant(*failures("evt_1", ago_ms=HOUR // 2))
        monkeypatch.setattr(comparing, "_now_ms", lambda: now_ms() + ahead_ms)
        done = await reconcile(relay, field.unipile)

    assert done.exit_code == 1
    assert "lost: 0" in done.stdout
    assert "This machine's clock and the store's are" in done.stderr
