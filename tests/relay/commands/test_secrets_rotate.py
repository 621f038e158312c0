"""``relay secrets rotate``: new, both, old gone; and back. The store says who uses which."""

import asyncio
import json
import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.commands import app
from relay.commands.secrets import keep, steps, take
from relay.commands.secrets.make import CHOSEN, make_secret
from relay.contract.explain import CommandFailed
from relay.contract.references import read_secret_file
from relay.endpoint import Secret
from relay.handshake.secret_file import put_secret
from relay.providers import PROVIDERS
from relay.verify import check_secret
from tests.relay.commands.conftest import Relay
from tests.relay.commands.using import use
from tests.servers import Server

OLD, NEW, THIRD = (f"wes_{name}_000000000000000000000" for name in ("old", "new", "third"))
NOWHERE = "redis://127.0.0.1:1"
FILE = """
# What we send is theirs.
[endpoints.unipile]   # the only one
provider = "unipile"
secrets = [{{ file = "{old}" }}]  # since May
window_seconds = 86400
"""
HOUR_MS = 3600_000


class Terminal:
    """Standard input where somebody types."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class System:
    """Where that is looked for."""

    stdin = Terminal()


def now_ms() -> int:
    """Give the time."""
    return time.time_ns() // 1_000_000


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An endpoint with one secret, in a file."""
    path = tmp_path / "old.secret"
    path.write_text(f"{OLD}\n")
    path.chmod(0o600)
    (tmp_path / "relay.toml").write_text(FILE.format(old=path))
    return path


@pytest.fixture
def typed(relay: Relay) -> Any:
    """Run ``relay secrets rotate`` with something on standard input."""

    def run(*arguments: str, given: str | bytes = "", **variables: str) -> Result:
        environ = {"REDIS_URL": NOWHERE} | variables
        done = CliRunner().invoke(app, ["secrets", "rotate", *arguments], input=given, env=environ)
        assert not any(secret in done.output for secret in (OLD, NEW, THIRD))
        return done

    return run


def secrets_of(tmp_path: Path) -> list[dict[str, Any]]:
    """Give what the file names now."""
    toml = tomllib.loads((tmp_path / "relay.toml").read_text())
    return list(toml["endpoints"]["unipile"]["secrets"])


def new_file(tmp_path: Path) -> Path:
    """Give the file that the first step has written."""
    (path,) = tmp_path.glob("unipile-*.secret")
    return path


# The first step.


def test_a_new_secret_stands_first_in_a_file_of_its_own(
    typed: Any, tmp_path: Path, old: Path
) -> None:
    """Beside the old one, for its owner only; the rest of the file stays as it was."""
    before = (tmp_path / "relay.toml").read_text()
    done = typed("unipile", given=f"{NEW}\n")
    new = new_file(tmp_path)

    assert done.exit_code == 0, done.output
    assert new.read_text() == f"{NEW}\n"
    assert new.stat().st_mode & 0o777 == 0o600
    assert secrets_of(tmp_path) == [{"file": str(new)}, {"file": str(old)}]
    assert (tmp_path / "relay.toml").read_text() == before.replace(
        "[{ file", f'[{{ file = "{new}" }}, {{ file'
    )
    assert "Others may read" not in done.stdout
    assert "relay reload" in done.stdout
    assert "relay secrets rotate unipile" in done.stdout
    assert "the secret of the webhook endpoint" in done.stdout


def test_a_variable_alone_gets_a_file_that_holds_what_counted(typed: Any, tmp_path: Path) -> None:
    """So that both count, and nothing changes for the sender."""
    done = typed("unipile", given=NEW, UNIPILE_WEBHOOK_SECRET=OLD)

    assert done.exit_code == 0, done.output
    assert secrets_of(tmp_path) == [
        {"file": str(new_file(tmp_path))},
        {"env": "UNIPILE_WEBHOOK_SECRET"},
    ]
    assert "RELAY_CONFIG" in done.stdout


def test_a_secret_in_a_variable_is_renewed_by_one_beside_the_file(
    typed: Any, tmp_path: Path
) -> None:
    """It need not be there for this terminal."""
    (tmp_path / "relay.toml").write_text(
        '[endpoints.unipile]\nprovider = "unipile"\nsecrets = [{ env = "ELSEWHERE" }]\n'
    )
    done = typed("unipile", given=NEW)

    assert done.exit_code == 0, done.output
    assert secrets_of(tmp_path) == [{"file": str(new_file(tmp_path))}, {"env": "ELSEWHERE"}]


def test_a_secret_is_taken_from_a_file(typed: Any, tmp_path: Path, old: Path) -> None:
    """Its last newline is no part of it."""
    given = tmp_path / "given"
    given.write_text(f"{NEW}\r\n")
    done = typed("unipile", "--from-file", str(given))

    assert done.exit_code == 0, done.output
    assert new_file(tmp_path).read_text() == f"{NEW}\n"


def test_a_secret_is_typed_unseen(
    typed: Any, tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a prompt that shows nothing of it."""
    asked = []

    def prompt(text: str, **options: Any) -> str:
        asked.append((text, options["hide_input"]))
        return NEW

    monkeypatch.setattr(take, "sys", System)
    monkeypatch.setattr("relay.commands.secrets.take.typer.prompt", prompt)
    done = typed("unipile")

    assert done.exit_code == 0, done.output
    assert asked == [("New secret (the secret of the webhook endpoint)", True)]
    assert new_file(tmp_path).read_text() == f"{NEW}\n"


@pytest.mark.parametrize(
    ("provider", "form"),
    [
        ("standard-webhooks", r"whsec_[A-Za-z0-9+/]{43}="),
        ("github", r"[A-Za-z0-9_-]{43}"),
        ("telegram", r"[A-Za-z0-9_-]{43}"),
        ("postmark", r"relay:[A-Za-z0-9_-]{43}"),
    ],
)
def test_a_secret_is_made_in_the_form_of_its_scheme(provider: str, form: str) -> None:
    """Each time another one."""
    one, other = make_secret(PROVIDERS[provider]), make_secret(PROVIDERS[provider])

    assert re.fullmatch(form, one)
    assert one != other


def test_each_secret_that_is_made_can_be_one() -> None:
    """For every sender that takes any, and for no other."""
    for name, provider in PROVIDERS.items():
        if name in CHOSEN:
            check_secret(provider.scheme, Secret(make_secret(provider), "made"))
        else:
            with pytest.raises(CommandFailed, match="makes its secret itself"):
                make_secret(provider)


def test_a_secret_that_its_sender_makes_is_made_by_nobody_else(
    typed: Any, tmp_path: Path, old: Path
) -> None:
    """It would wait for a sender that never signs with it."""
    done = typed("unipile", "--generate")

    assert done.exit_code == 2
    assert "Unipile makes its secret itself" in done.stderr
    assert secrets_of(tmp_path) == [{"file": str(old)}]


def test_a_secret_that_is_made_is_in_its_file_alone(typed: Any, tmp_path: Path) -> None:
    """What is said tells where it is, and not what it is."""
    (tmp_path / "relay.toml").write_text(
        '[endpoints.unipile]\nprovider = "standard-webhooks"\nsecrets = [{ env = "OLD" }]\n'
    )
    done = typed("unipile", "--generate", "--json", OLD="whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
    made = new_file(tmp_path).read_text().strip()
    said = json.loads(done.stdout)

    assert made.startswith("whsec_")
    assert made.removeprefix("whsec_") not in done.output
    assert said["did"] == "begun"
    assert str(new_file(tmp_path)) in said["says"][0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "There is no new secret"),
        ("\n", "There is no new secret"),
        (f" {NEW}", "white space"),
        (b"\xff\xfe", "no text"),
        (f"{OLD}\n", "is there already"),
    ],
)
def test_what_cannot_be_the_new_secret_changes_nothing(
    typed: Any, tmp_path: Path, old: Path, given: str | bytes, words: str
) -> None:
    """And is not shown."""
    done = typed("unipile", given=given)

    assert done.exit_code == 2
    assert words in done.stderr
    assert secrets_of(tmp_path) == [{"file": str(old)}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.secret", "relay.toml"]


def test_a_secret_of_another_form_is_refused(typed: Any, tmp_path: Path) -> None:
    """As the gateway would refuse it, but before it is anywhere."""
    (tmp_path / "relay.toml").write_text(
        '[endpoints.unipile]\nprovider = "svix"\nsecrets = [{ env = "OLD" }]\n'
    )
    done = typed("unipile", given="whsec_no*base64")

    assert done.exit_code == 2
    assert "cannot be used: the secret is not base64" in done.stderr
    assert "no*base64" not in done.output


def test_a_variable_that_says_otherwise_is_named(typed: Any, tmp_path: Path, old: Path) -> None:
    """The edit would change nothing, so none is made."""
    endpoints = json.dumps({"unipile": {"secrets": [{"env": "OLD"}]}})
    done = typed("unipile", given=NEW, RELAY_ENDPOINTS=endpoints, OLD=OLD)

    assert done.exit_code == 2
    assert "RELAY_ENDPOINTS" in done.stderr
    assert secrets_of(tmp_path) == [{"file": str(old)}]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_directory_that_cannot_be_written_is_passed_over(
    typed: Any, tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one may be mounted where nothing can be written."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    old.rename(mounted / "old.secret")
    (tmp_path / "relay.toml").write_text(FILE.format(old=mounted / "old.secret"))

    def put(secret: str, paths: list[Path], *, replace: bool) -> Path | None:
        if paths[0].parent == mounted:
            raise OSError(30, "Read-only file system")
        return put_secret(secret, paths, replace=replace)

    monkeypatch.setattr(keep, "put_secret", put)
    done = typed("unipile", given=NEW)

    assert done.exit_code == 0, done.output
    assert new_file(tmp_path).parent == tmp_path


def test_who_may_read_the_new_file_is_for_the_operator_to_say(
    typed: Any, tmp_path: Path, old: Path
) -> None:
    """Where others may read the old one, the gateway may be one of them."""
    old.chmod(0o640)
    done = typed("unipile", given=NEW)

    assert f"Others may read {old}" in done.stdout
    assert new_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_where_no_file_can_be_written_nothing_is_changed(
    typed: Any, tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything named that is not there."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keep, "put_secret", full)
    done = typed("unipile", given=NEW)

    assert done.exit_code == 1
    assert "No space left on device" in done.stderr
    assert secrets_of(tmp_path) == [{"file": str(old)}]


def test_a_configuration_that_cannot_be_written_gives_the_lines(
    typed: Any, tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret is in its file by then, which is said too."""

    def read_only(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("relay.commands.edit.write._replace", read_only)
    done = typed("unipile", given=NEW)
    new = new_file(tmp_path)

    assert done.exit_code == 1
    assert f"The new secret is in {new}" in done.stderr
    assert f'secrets = [{{ file = "{new}" }}, {{ file = "{old}" }}]' in done.stderr
    assert secrets_of(tmp_path) == [{"file": str(old)}]


@pytest.mark.parametrize("has_file", [False, True])
def test_the_lines_are_the_whole_change(
    typed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_file: bool
) -> None:
    """As TOML that can be copied, however many edits the change is made of."""

    def read_only(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    old, toml = tmp_path / "old.secret", tmp_path / "relay.toml"
    old.write_text(OLD)
    if has_file:
        toml.write_text(FILE.format(old=old).replace("}]", '}, { env = "OLDER" }]'))
    for name in ("_replace", "_create"):
        monkeypatch.setattr(f"relay.commands.edit.write.{name}", read_only)
    arguments = ["--until", "2999-01-01T00:00:00Z"] if has_file else []
    done = typed("unipile", *arguments, given=NEW, UNIPILE_WEBHOOK_SECRET=OLD)
    lines = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
    table = tomllib.loads("\n".join(lines))["endpoints"]["unipile"]

    assert done.exit_code == 1
    assert len(table["secrets"]) == 2
    assert ("provider" in table) is not has_file
    assert ("not_after" in table["secrets"][1]) is has_file


def test_who_was_killed_behind_the_file_goes_on_with_it(
    typed: Any, tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same secret is not written twice, and nothing names it before."""

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(steps, "write", killed)
        typed("unipile", given=NEW)
    left, named = new_file(tmp_path), secrets_of(tmp_path)
    done = typed("unipile", given=NEW)

    assert named == [{"file": str(old)}]
    assert done.exit_code == 0, done.output
    assert secrets_of(tmp_path) == [{"file": str(left)}, {"file": str(old)}]
    assert new_file(tmp_path) == left


def test_the_file_of_another_endpoint_is_not_taken_for_what_was_left(
    typed: Any, tmp_path: Path, old: Path
) -> None:
    """Whoever removed it once this endpoint is done with it would take it from the other."""
    other = tmp_path / "unipile-eu-2026-11-30-ab12.secret"
    other.write_text(f"{NEW}\n")
    typed("unipile", given=NEW)
    new = secrets_of(tmp_path)[0]

    assert new["file"] != str(other)


# What comes after it.


@pytest.fixture
def both(typed: Any, tmp_path: Path, old: Path, server: Server) -> tuple[Secret, Secret]:
    """Two secrets that count, the newer first."""
    typed("unipile", given=NEW)
    return Secret(NEW, f"file:{new_file(tmp_path)}"), Secret(OLD, f"file:{old}")


def used(server: Server, *secrets: tuple[Secret, int], holds: tuple[Secret, ...] = ()) -> None:
    """Have secrets be used so many ms ago."""
    for secret, ago_ms in secrets:
        asyncio.run(use(server, "unipile", secret, now_ms() - ago_ms))
    if holds:
        asyncio.run(use(server, "unipile", None, now_ms(), *holds))


@pytest.mark.redis
def test_it_says_where_it_stands(
    typed: Any, server: Server, both: tuple[Secret, Secret], tmp_path: Path
) -> None:
    """What is true then, and the next step; nothing is asked for or changed."""
    new, old = both
    before = (tmp_path / "relay.toml").read_text()
    said: list[str] = []
    for news, holds in (
        ([(old, 5 * HOUR_MS)], (old,)),
        ([], (new, old)),
        ([(new, 2 * HOUR_MS), (old, 0)], (new, old)),
    ):
        with server.client() as client:
            client.delete("relay:{unipile}@usage")
        used(server, *news, holds=holds)
        said.append(typed("unipile", REDIS_URL=server.url).stdout)

    assert "No gateway has loaded the new one yet" in said[0]
    assert "Next: `relay reload`" in said[0]
    assert "All gateways that were heard within the last 75 s have loaded the new one." in said[1]
    assert "Next: have Unipile sign with the new one" in said[1]
    assert f"({new.name}) was used once, first 2 h ago, last 2 h ago." in said[2]
    assert "Next: wait, and then `relay secrets rotate unipile --finish`" in said[2]
    assert (tmp_path / "relay.toml").read_text() == before


@pytest.mark.redis
@pytest.mark.parametrize(
    ("uses", "words"),
    [
        ((None, None), "The new one was never used."),
        ((None, 5 * HOUR_MS), "The new one was never used."),
        ((2 * HOUR_MS, 1000), "The old one was last used 1 s ago"),
        ((1000, 1000), "The old one was last used 1 s ago"),
        ((1000, 2 * HOUR_MS), None),
        ((2 * HOUR_MS, None), None),
    ],
)
def test_the_old_one_goes_when_nobody_needs_it(
    typed: Any,
    server: Server,
    both: tuple[Secret, Secret],
    tmp_path: Path,
    uses: tuple[int | None, int | None],
    words: str | None,
) -> None:
    """Else only where that is wanted all the same; its file stays."""
    new, old = both
    pairs = zip(both, uses, strict=True)
    used(server, *[(secret, ms) for secret, ms in pairs if ms is not None])
    done = typed("unipile", "--finish", REDIS_URL=server.url)
    left = secrets_of(tmp_path)
    forced = typed("unipile", "--finish", "--yes")

    assert done.exit_code == (1 if words else 0)
    assert len(left) == (2 if words else 1)
    assert (words or "") in done.stderr
    assert forced.exit_code == 0
    assert secrets_of(tmp_path) == [{"file": new.name.removeprefix("file:")}]
    assert Path(old.name.removeprefix("file:")).read_text() == f"{OLD}\n"
    assert "is still there" in (forced if words else done).stdout
    assert "window_seconds = 86400\n" in (tmp_path / "relay.toml").read_text()


@pytest.mark.redis
def test_how_long_a_sender_tries_again_can_be_said(
    typed: Any, server: Server, both: tuple[Secret, Secret], tmp_path: Path
) -> None:
    """One that tries for a day needs the old one for as long; one that signs anew does not."""
    new, old = both
    used(server, (new, 1000), (old, 2 * HOUR_MS))
    longer = typed("unipile", "--finish", "--retry-seconds", "86400", REDIS_URL=server.url)
    shorter = typed("unipile", "--finish", "--retry-seconds", "60", REDIS_URL=server.url)

    assert (longer.exit_code, shorter.exit_code) == (1, 0)


@pytest.mark.redis
@pytest.mark.parametrize(("new_ms", "code"), [(None, 0), (2 * HOUR_MS, 0), (1000, 1)])
def test_the_way_back_is_open_while_nobody_uses_the_new_one(
    typed: Any,
    server: Server,
    both: tuple[Secret, Secret],
    tmp_path: Path,
    new_ms: int | None,
    code: int,
) -> None:
    """Else what its sender signs would be refused."""
    new, old = both
    used(server, *([] if new_ms is None else [(new, new_ms)]))
    done = typed("unipile", "--back", REDIS_URL=server.url)
    forced = typed("unipile", "--back", "--yes")

    assert (done.exit_code, forced.exit_code) == (code, 0)
    assert secrets_of(tmp_path) == [{"file": old.name.removeprefix("file:")}]
    assert Path(new.name.removeprefix("file:")).exists()


def test_the_old_one_can_end_by_itself(typed: Any, tmp_path: Path, old: Path) -> None:
    """At a time to come, which replaces what was said before."""
    typed("unipile", given=NEW)
    new = new_file(tmp_path)
    done = typed("unipile", "--until", "2999-01-01T00:00:00Z")
    first = secrets_of(tmp_path)
    again = typed("unipile", "--until", "2h")
    second = secrets_of(tmp_path)

    assert (done.exit_code, again.exit_code) == (0, 0), done.output + again.output
    assert [each["file"] for each in first] == [str(new), str(old)]
    assert first[1]["not_after"].isoformat() == "2999-01-01T00:00:00+00:00"
    assert [each["file"] for each in second] == [str(new), str(old)]
    assert 7100 < second[1]["not_after"].timestamp() - time.time() <= 7200
    assert "not_after" not in second[0]


@pytest.mark.parametrize("until", ["0s", "9999-12-31T23:59:59-12:00"])
def test_an_end_must_be_a_time_to_come(typed: Any, tmp_path: Path, old: Path, until: str) -> None:
    """Else the old one would end at once, or never could."""
    typed("unipile", given=NEW)
    done = typed("unipile", "--until", until)

    assert done.exit_code == 2
    assert "not_after" not in secrets_of(tmp_path)[1]


def test_an_end_has_any_zone(typed: Any, tmp_path: Path, old: Path) -> None:
    """Also one that TOML has no words for."""
    typed("unipile", given=NEW)
    typed("unipile", "--until", "2999-01-01T00:00:30+00:00:30")

    assert secrets_of(tmp_path)[1]["not_after"].isoformat() == "2999-01-01T00:00:00+00:00"


def test_the_file_of_a_secret_that_came_second_is_named(
    typed: Any, tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another command has changed the configuration meanwhile, and the file is there."""

    def keep_late(*arguments: Any) -> keep.Kept:
        toml = tmp_path / "relay.toml"
        toml.write_text(f"{toml.read_text()}# changed\n")
        return keep.keep_secret(*arguments)

    monkeypatch.setattr(steps, "keep_secret", keep_late)
    done = typed("unipile", given=NEW)

    assert done.exit_code == 1
    assert "was changed while this command ran" in done.stderr
    assert f"The new secret is in {new_file(tmp_path)}" in done.stderr


@pytest.mark.parametrize("option", ["--finish", "--back"])
def test_a_secret_that_is_named_twice_is_not_taken_for_gone(
    typed: Any, tmp_path: Path, old: Path, option: str
) -> None:
    """It would go on counting."""
    toml = tmp_path / "relay.toml"
    toml.write_text(toml.read_text().replace("]  #", f', {{ file = "{old}" }}]  #'))
    before = toml.read_text()
    done = typed("unipile", option, "--yes")

    assert done.exit_code == 2
    assert "is named twice" in done.stderr
    assert toml.read_text() == before


def test_a_secret_with_ends_of_lines_in_it_is_read_as_it_was_given(
    typed: Any, tmp_path: Path, old: Path
) -> None:
    """Whatever they are."""
    done = typed("unipile", given=b"one\r\ntwo\rthree")
    written = Secret("one\r\ntwo\rthree", "given").fingerprint
    read = Secret(read_secret_file(new_file(tmp_path)).rstrip("\r\n"), "read").fingerprint

    assert written in done.stdout
    assert read == written


def test_whoever_goes_back_has_the_old_one_for_good(typed: Any, tmp_path: Path, old: Path) -> None:
    """Else every delivery would be refused once the end comes that was meant for the new one."""
    typed("unipile", given=NEW)
    typed("unipile", "--until", "2h")
    done = typed("unipile", "--back", "--yes")

    assert done.exit_code == 0, done.output
    assert secrets_of(tmp_path) == [{"file": str(old)}]
    assert f"file:{old} has no end any more." in done.stdout


def test_what_is_over_is_not_brought_back(typed: Any, tmp_path: Path, old: Path) -> None:
    """Somebody may have ended it since it had become known."""
    typed("unipile", given=NEW)
    toml = tmp_path / "relay.toml"
    over = f'{{ file = "{old}", not_after = 2001-01-01T00:00:00Z }}'
    toml.write_text(toml.read_text().replace(f'{{ file = "{old}" }}', over))
    typed("unipile", "--back", "--yes")
    (left,) = secrets_of(tmp_path)

    assert left["not_after"].year == 2001


@pytest.mark.redis
def test_what_is_over_needs_no_yes(typed: Any, server: Server, tmp_path: Path, old: Path) -> None:
    """An old one that counts no more can be taken out whoever used it."""
    typed("unipile", given=NEW)
    toml = tmp_path / "relay.toml"
    over = f'{{ file = "{old}", not_after = 2001-01-01T00:00:00Z }}'
    toml.write_text(toml.read_text().replace(f'{{ file = "{old}" }}', over))
    used(server, (Secret(OLD, f"file:{old}"), 1000))
    done = typed("unipile", "--finish", REDIS_URL=server.url)

    assert done.exit_code == 0, done.output
    assert secrets_of(tmp_path) == [{"file": str(new_file(tmp_path))}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["unipile", "--finish", "--back"], "One at a time"),
        (["unipile", "--finish", "--generate"], "One at a time"),
        (["unipile", "--until", "2h", "--back"], "One at a time"),
        (["unipile", "--until", "soon"], "a time with its zone"),
        (["unipile", "--until", "2999-01-01T00:00:00"], "a time with its zone"),
        (["unipile", "--until", "2001-01-01T00:00:00Z"], "is over already"),
        (["unipile", "--generate", "--from-file", "x"], "Either --generate or --from-file"),
        (["unipile", "--from-file", "/nowhere"], "cannot read /nowhere"),
        (["other"], "No endpoint is called other; configured: unipile."),
    ],
)
def test_what_was_typed_wrongly_is_said(
    typed: Any, tmp_path: Path, old: Path, arguments: list[str], words: str
) -> None:
    """And nothing is changed."""
    done = typed(*arguments, given=NEW)

    assert done.exit_code == 2
    assert words in done.stderr
    assert secrets_of(tmp_path) == [{"file": str(old)}]


@pytest.mark.parametrize("option", ["--finish", "--back", "--until=2h"])
def test_without_a_rotation_there_is_nothing_to_end(
    typed: Any, tmp_path: Path, old: Path, option: str
) -> None:
    """As when the same was done before; the last secret never goes."""
    done = typed("unipile", option, "--yes", "--json")

    assert done.exit_code == 0
    assert json.loads(done.stdout)["did"] == "nothing"
    assert secrets_of(tmp_path) == [{"file": str(old)}]


def test_an_endpoint_that_asks_for_no_proof_has_no_secret(typed: Any, tmp_path: Path) -> None:
    """Nor gets one."""
    (tmp_path / "relay.toml").write_text('[endpoints.unipile]\nprovider = "none"\n')
    done = typed("unipile", given=NEW)

    assert done.exit_code == 2
    assert "has no secret" in done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "relay.toml"]


def test_a_public_key_is_not_typed(
    typed: Any, tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has several lines, of which a prompt would take the first."""
    toml = tmp_path / "relay.toml"
    toml.write_text('[endpoints.unipile]\nprovider = "plaid"\nsecrets = [{ env = "OLD" }]\n')
    monkeypatch.setattr(take, "sys", System)
    done = typed("unipile")

    assert done.exit_code == 2
    assert "by --from-file" in done.stderr
