"""``relay spool``, ``relay serve --spool-dir`` and what ``relay check`` says of a spool."""

import json
from pathlib import Path
from typing import Any

import pytest

from relay.commands.spool import draining
from relay.spool.directory import Directory
from relay.spool.file import Changes
from relay.spool.open_file import Taken
from relay.spool.row import Row, Stream, encode
from relay.spool.taking import Taking
from tests.making import make_identified
from tests.relay.commands.conftest import Relay
from tests.servers import Server, free_port

A, B = ("unipile", "message.new"), ("unipile", "email.new")
NO_SERVER = "redis://127.0.0.1:1/0"


def leave(path: Path, *streams: Stream, name: str = "evt") -> Taken:
    """Leave an event for each stream named, in a file that this process still has."""
    made = Taking(Directory(path)).make()
    rows = [
        Row(n, stream, encode(make_identified(f"{name}_{n}", stream[1], tag=stream[0])), 1000, None)
        for n, stream in enumerate(streams, 1)
    ]
    made.file.write(Changes(kept=rows))
    return made


def let_go(taken: Taken) -> None:
    """End as a dead process would."""
    taken.file.close()
    taken.lock.release()


def rows(relay: Relay, path: Path) -> list[dict[str, Any]]:
    """Give what ``relay spool status`` shows."""
    done = relay("spool", "status", "--json", "--spool-dir", str(path))
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_status_shows_every_file_by_stream(relay: Relay, tmp_path: Path) -> None:
    """Whose it is, how much of each stream, and since when."""
    held = leave(tmp_path, A, A, B)
    let_go(leave(tmp_path, B))
    found = rows(relay, tmp_path)
    let_go(held)

    assert sorted((row["state"], row["type"], row["events"]) for row in found) == [
        ("held", "email.new", 1),
        ("held", "message.new", 2),
        ("orphan", "email.new", 1),
    ]
    assert all(row["bytes"] > 200 and row["oldest_seconds"] > 10**6 for row in found)


def test_status_of_an_empty_spool_is_no_fault(relay: Relay, tmp_path: Path) -> None:
    """It says so."""
    done = relay("spool", "status", RELAY_SPOOL__DIRECTORY=str(tmp_path))

    assert (done.exit_code, done.stdout) == (0, "The spool is empty.\n")


def test_status_names_what_it_cannot_read(relay: Relay, tmp_path: Path) -> None:
    """And ends with 1."""
    (tmp_path / "a.db").write_text("no database")
    done = relay("spool", "status", "--spool-dir", str(tmp_path))

    assert done.exit_code == 1
    assert "a.db" in done.stdout
    assert "unreadable" in done.stdout


def test_status_shows_the_others_beside_a_file_of_another_user(
    relay: Relay, tmp_path: Path
) -> None:
    """One that this user may not lock is named, and hides nothing."""
    let_go(leave(tmp_path, A))
    (tmp_path / "other.db").write_bytes(b"")
    (tmp_path / "other.lock").mkdir()
    found = rows(relay, tmp_path)

    assert sorted((row["state"], row["events"]) for row in found) == [
        ("orphan", 1),
        ("unreadable", 0),
    ]


@pytest.mark.parametrize("command", ["status", "drain"])
def test_without_a_spool_there_is_nothing_to_look_at(
    relay: Relay, tmp_path: Path, command: str
) -> None:
    """No directory configured, or none there: a fault of the configuration."""
    none = relay("spool", command)
    missing = relay("spool", command, "--spool-dir", str(tmp_path / "missing"))

    assert (none.exit_code, missing.exit_code) == (2, 2)
    assert "--spool-dir" in none.stderr
    assert "missing is no directory" in missing.stderr


@pytest.mark.redis
def test_drain_sends_what_dead_processes_left(relay: Relay, server: Server, tmp_path: Path) -> None:
    """Into their streams, known to workers; what a living process holds stays its own."""
    let_go(leave(tmp_path, A, B, A))
    held = leave(tmp_path, A, name="held")
    done = relay("spool", "drain", "--spool-dir", str(tmp_path), "--redis-url", server.url)
    left = rows(relay, tmp_path)
    let_go(held)

    assert done.exit_code == 0, done.output
    assert "3 events drained, 0 left" in done.stdout
    assert "1 events are held by 1 living processes" in done.stdout
    assert [(row["state"], row["events"]) for row in left] == [("held", 1)]
    assert len(server.entries("relay:{unipile}:message.new")) == 2
    with server.client() as client:
        assert client.smembers("relay:@tags") == {b"unipile"}
        assert client.xlen("relay:@control") == 2


@pytest.mark.redis
def test_drain_says_what_is_left_and_why(
    relay: Relay, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Redis refuses stays where it is, the rest goes."""
    monkeypatch.setattr(draining, "PATIENCE_SECONDS", 0.3)
    let_go(leave(tmp_path, A, B))
    with server.client() as client:
        client.set("relay:{unipile}:message.new", "no stream", ex=100)
    done = relay("spool", "drain", "--spool-dir", str(tmp_path), "--redis-url", server.url)
    left = rows(relay, tmp_path)

    assert done.exit_code == 1
    assert "unipile:message.new: 1 left, Redis says WRONGTYPE" in done.stdout
    assert "1 events drained, 1 left" in done.stdout
    assert [(row["state"], row["type"]) for row in left] == [("orphan", "message.new")]


def test_drain_without_a_store_leaves_everything(relay: Relay, tmp_path: Path) -> None:
    """It says that Redis is away, and ends with 1."""
    let_go(leave(tmp_path, A))
    done = relay("spool", "drain", "--spool-dir", str(tmp_path), "--redis-url", NO_SERVER)

    assert done.exit_code == 1
    assert "Redis" in done.stderr
    assert [row["state"] for row in rows(relay, tmp_path)] == ["orphan"]


def test_serve_names_a_directory_that_it_cannot_use(relay: Relay, tmp_path: Path) -> None:
    """At its start, as any fault of the configuration."""
    (tmp_path / "file").write_text("")
    done = relay("serve", "--port", str(free_port()), "--spool-dir", str(tmp_path / "file" / "x"))

    assert done.exit_code == 2
    assert "file/x cannot be used: Not a directory" in done.stderr


def spool_findings(relay: Relay, path: Path) -> list[tuple[str, str]]:
    """Give what ``relay check`` says of the spool."""
    done = relay("check", "--json", REDIS_URL=NO_SERVER, RELAY_SPOOL__DIRECTORY=str(path))
    found = json.loads(done.stdout)
    return [(row["state"], row["found"]) for row in found if row["what"] == "spool"]


def test_check_judges_the_spool(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Place, orphans and damage; nothing where there is no spool."""
    monkeypatch.setattr("relay.commands.check.spool.judge_place", lambda *_: [])
    (tmp_path / "new").mkdir()
    fine = spool_findings(relay, tmp_path / "new")
    let_go(leave(tmp_path / "new", A, A))
    orphans = spool_findings(relay, tmp_path / "new")
    (tmp_path / "new" / "a.db").write_text("no database")
    damaged = spool_findings(relay, tmp_path / "new")
    off = relay("check", "--json", REDIS_URL=NO_SERVER)

    assert fine == [("ok", "0 events wait, up to 1024 MiB may")]
    assert orphans == [("warn", "2 events wait in files that no process holds")]
    assert ("fail", "a.db cannot be read") in damaged
    assert [row for row in json.loads(off.stdout) if row["what"] == "spool"] == []


def test_check_makes_no_directory(relay: Relay, tmp_path: Path) -> None:
    """It would be of whoever checks, and shut out the gateway's user."""
    (_, found), *_ = spool_findings(relay, tmp_path / "above" / "spool")

    assert found == "0 events wait, up to 1024 MiB may"
    assert list(tmp_path.iterdir()) == []


def test_check_names_a_directory_that_could_not_be_made(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a gateway fails to start on it."""
    (tmp_path / "file").write_text("")
    in_file = spool_findings(relay, tmp_path / "file" / "x")
    monkeypatch.setattr("relay.spool.directory.os.access", lambda *_: False)
    forbidden = spool_findings(relay, tmp_path / "new")

    assert [state for state, _ in in_file + forbidden] == ["fail", "fail"]
    assert "file/x cannot be used: Not a directory" in in_file[0][1]
    assert "new cannot be used: Permission denied" in forbidden[0][1]


def test_check_goes_on_where_it_cannot_read_the_spool(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's directory is one finding among the others."""

    def refuse(_: Directory) -> list[str]:
        """Let nobody list it."""
        raise PermissionError

    monkeypatch.setattr("relay.commands.check.spool.judge_place", lambda *_: [])
    monkeypatch.setattr(Directory, "names", refuse)

    assert spool_findings(relay, tmp_path) == [("fail", f"{tmp_path} cannot be read by this user")]


def test_check_doubts_a_place_that_a_restart_empties(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tmpfs and its like, in the same words as at the start of a gateway."""
    monkeypatch.setattr(Directory, "filesystem", lambda _: "tmpfs")
    (state, found), *_ = spool_findings(relay, tmp_path)

    assert state == "warn"
    assert "is on tmpfs" in found


def drain_of_one(path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Leave one event, and give the words that drain it without much patience."""
    monkeypatch.setattr(draining, "PATIENCE_SECONDS", 0.1)
    let_go(leave(path, A))
    return "spool", "drain", "--spool-dir", str(path), "--redis-url", server.url


@pytest.mark.redis
def test_drain_keeps_to_the_durability_of_the_gateway(
    relay: Relay, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What too few replicas have is not confirmed, and stays where it is."""
    drain = drain_of_one(tmp_path, server, monkeypatch)
    unconfirmed = relay(*drain, RELAY_DURABILITY="replicated:1")
    done = relay(*drain)

    assert unconfirmed.exit_code == 1
    assert "0 events drained, 1 left" in unconfirmed.stdout
    assert done.exit_code == 0
    assert len(server.entries("relay:{unipile}:message.new")) == 1


@pytest.mark.redis
@pytest.mark.one_server("of a cluster each stream is held up by itself, and named")
def test_drain_says_why_a_store_takes_nothing(
    relay: Relay, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with the whole store is no stream's fault."""
    drain = drain_of_one(tmp_path, server, monkeypatch)
    unconfirmed = relay(*drain, RELAY_DURABILITY="replicated:1")

    assert "Redis does not take what is left: no confirmation in time; see" in unconfirmed.stdout
