"""A secret with an end, where its endpoint is the only one at Unipile: it is to count for good."""

import json
from datetime import UTC, datetime

import pytest

from relay.unipile.stand_in import Endpoint
from tests.relay.commands.unipile.desk import URL, Desk, begun

pytestmark = pytest.mark.redis

OVER = datetime(2026, 1, 1, tzinfo=UTC)


def pass_by(desk: Desk) -> None:
    """Have the end of the old secret pass."""
    path, ends = desk.directory / "relay.toml", desk.references()[1]["not_after"]
    written, over = (each.isoformat().replace("+00:00", "Z") for each in (ends, OVER))
    path.write_text(path.read_text().replace(written, over))
    assert desk.references()[1]["not_after"] == OVER


async def left_with_an_end(desk: Desk) -> Endpoint:
    """A finish that could not delete the first; the second was deleted by hand, and time passed."""
    first, second = await begun(desk)
    desk.have_proved(second)
    desk.unipile.fail_next("DELETE", "*", 500, times=10)
    assert (await desk.rotate("--finish", "--retry-seconds", "60")).exit_code == 1
    desk.unipile.clear_faults()
    desk.unipile._books.endpoints.delete(second.id)
    pass_by(desk)
    return first


@pytest.mark.parametrize("option", ["--finish", "--back"])
async def test_a_rotation_without_a_second_lifts_the_end(desk: Desk, option: str) -> None:
    """Whichever way it is ended, since nothing else signs."""
    first = await left_with_an_end(desk)
    done = await desk.rotate(option, "--json")

    assert json.loads(done.stdout)["did"] == "taken_back"
    assert desk.there == [first]
    assert not any("not_after" in each for each in desk.references())
    assert "taken the configuration over" in done.stderr


async def test_an_endpoint_that_is_connected_again_has_its_end_lifted(desk: Desk) -> None:
    """And what its secret has proved before is no delivery that has come now."""
    first = await left_with_an_end(desk)
    there = await desk.run("endpoints", "create", "--url", URL)
    assert there.exit_code == 1
    assert "nothing is missing" not in there.stderr
    assert "--adopt" in there.stderr

    desk.have_proved(first)
    done = await desk.run("connect", "--public-url", URL, "--unchecked", "--wait", "0.1")
    assert "has no end any more" in done.stdout
    assert done.exit_code == 1, done.output
    assert not any("not_after" in each for each in desk.references())


async def test_an_endpoint_that_is_adopted_has_its_end_lifted(desk: Desk) -> None:
    """It says that a reload is to follow; a secret that counts later only is refused."""
    await desk.connect()
    path = desk.directory / "relay.toml"
    toml = path.read_text()
    path.write_text(toml.replace('.secret" }', '.secret", not_after = 2026-01-01T00:00:00Z }'))
    done = await desk.run("endpoints", "create", "--url", URL, "--adopt")
    assert done.exit_code == 0, done.output
    assert "has no end any more" in done.stdout
    assert "`relay reload`" in done.stdout
    assert not any("not_after" in each for each in desk.references())

    path.write_text(toml.replace('.secret" }', '.secret", not_before = 2999-01-01T00:00:00Z }'))
    done = await desk.connect()
    assert done.exit_code == 1
    assert "counts from 2999-01-01" in done.stderr


async def test_a_finish_that_fails_says_when_the_secret_ends(desk: Desk) -> None:
    """In the one line that says what failed, with both ways on."""
    _, second = await begun(desk)
    desk.have_proved(second)
    desk.unipile.fail_next("DELETE", "*", 500, times=10)
    done = await desk.rotate("--finish")

    ends = desk.references()[1]["not_after"].isoformat()[:16]
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert ends in done.stderr
    assert "`relay unipile rotate unipile --back`" in done.stderr


async def test_a_secret_that_is_over_is_no_company_for_one_that_is_deleted(desk: Desk) -> None:
    """Nothing counts once the only one that does has lost its endpoint."""
    _, second = await begun(desk)
    desk.have_proved(second)
    assert (await desk.rotate("--finish")).exit_code == 0
    pass_by(desk)
    done = await desk.run("endpoints", "delete", second.id, "--yes")

    assert done.exit_code == 0
    assert "nothing that Unipile sends counts there any more" in done.stdout
