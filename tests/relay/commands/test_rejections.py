"""``relay rejections`` on real servers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from relay.contract.display import time_text
from relay.rejections.log import KEEP_MS
from relay.rejections.rejection import Rejection
from tests.relay.commands.conftest import Relay
from tests.relay.commands.rejecting import BODY, FILE, KEYS, ask, events, kept, now_ms, row
from tests.servers import Server
from tests.signing import IN_HEADER, SECRET, signed

pytestmark = pytest.mark.redis

# Clears a screen, opens markup, turns the reading direction round, and is no UTF-8.
NASTY = "\x1b[2J[bold]\u202e"
FORCE = ("--force", "--by", "kim", "--reason", "the sender cannot mend it")
Options = dict[str, str]


@pytest.fixture
def options(server: Server, tmp_path: Path) -> Options:
    """A configuration with the endpoint, and its secret."""
    (tmp_path / "relay.toml").write_text(FILE.format(url=server.url, more=""))
    return {"UNIPILE_WEBHOOK_SECRET": SECRET}


def configure(server: Server, tmp_path: Path, more: str) -> None:
    """Say more of the endpoint."""
    (tmp_path / "relay.toml").write_text(FILE.format(url=server.url, more=more))


def wrong(request_id: str = "wrong") -> Rejection:
    """Make a row that no secret of ours has signed."""
    return row(headers=signed(BODY, secret="wes_another_0000"), request_id=request_id)


def test_nothing_was_refused(relay: Relay, server: Server) -> None:
    """Which is no fault; a key that something else has written is one, and is named."""
    ask(server, "HSET", KEYS.usage("unipile"), "outcome:signature_mismatch", "1 1 1")
    ask(server, "EXPIRE", KEYS.usage("unipile"), 60)
    ask(server, "SADD", KEYS.tags, "unipile")
    done = relay("rejections", "list", "--redis-url", server.url)

    ask(server, "SET", KEYS.rejected("unipile"), "x", "EX", 60)
    named = relay("rejections", "list", "--redis-url", server.url)

    assert (done.exit_code, done.stdout) == (0, "Nothing that was refused is in the log.\n")
    assert (named.exit_code, named.stdout) == (1, "")
    assert f"{KEYS.rejected('unipile')} is a string" in named.stderr


def test_the_newest_rows_are_listed_first(relay: Relay, server: Server, options: Options) -> None:
    """As many as are wanted, of the reason that is wanted; more than one look takes."""
    ids = kept(server, *[row(request_id=f"0-{number}") for number in range(20)])
    (other,) = kept(server, row(reason="signature_missing"))
    all_rows = json.loads(relay("rejections", "list", "--count", "50", "--json", **options).stdout)
    few = json.loads(relay("rejections", "list", "--count", "2", "--json", **options).stdout)
    of_reason = relay("rejections", "list", "--reason", "signature_missing", **options).stdout

    assert [each["id"] for each in all_rows] == [other, *reversed(ids)]
    assert [each["id"] for each in few] == [other, ids[-1]]
    assert other in of_reason
    assert ids[-1] not in of_reason


def test_what_is_too_old_or_not_ours_is_passed_over(
    relay: Relay, server: Server, options: Options
) -> None:
    """Rows go when others come, so old ones may stand there for a while."""
    stream = KEYS.rejected("unipile")
    old_id = f"{now_ms() - KEEP_MS - 1000}-0"
    ask(server, "XADD", stream, old_id, "reason", "r", "receivedat", "1")
    ask(server, "XADD", stream, f"{now_ms() - 5000}-0", "something", "else")
    ask(server, "XADD", stream, f"{now_ms()}-0", *row().fields())
    ask(server, "EXPIRE", stream, 60)
    (good,) = json.loads(relay("rejections", "list", "--json", **options).stdout)
    old = relay("rejections", "show", f"unipile/{old_id}", **options)

    assert good["request_id"] == row().request_id
    assert old.exit_code == 1


def test_only_rows_since_a_time_are_listed(relay: Relay, server: Server, options: Options) -> None:
    """By the time at which they came."""
    early = row(received_at_ms=now_ms() - 7_200_000)
    kept(server, early, row(request_id="new-1"), early)
    rows = json.loads(relay("rejections", "list", "--since", "1h", "--json", **options).stdout)
    unreadable = relay("rejections", "list", "--since", "soon", **options)

    assert [each["request_id"] for each in rows] == ["new-1"]
    assert unreadable.exit_code == 2


def test_a_row_is_shown_without_credentials(relay: Relay, server: Server, options: Options) -> None:
    """Neither headers' values nor those of the query, and no body unless it is asked for."""
    kept(server, row(query="a=1&token=hidden-token"))
    text = relay("rejections", "show", "0123456789ab-1", **options).stdout
    with_body = relay("rejections", "show", "0123456789ab-1", "--body", **options).stdout
    shown = json.loads(relay("rejections", "show", "0123456789ab-1", "--json", **options).stdout)

    for output in (text, with_body, json.dumps(shown)):
        assert IN_HEADER not in output
        assert signed(BODY)["unipile-signature"][-20:] not in output
        assert "hidden-token" not in output
    assert "authorization: redacted" in text
    assert "hidden-words" not in text
    assert "hidden-words" in with_body
    assert shown["query"] == "a=1&token=redacted"


def test_headers_of_the_way_are_shown(relay: Relay, server: Server, options: Options) -> None:
    """Which proxy a request came through is half of many an answer."""
    kept(server, row(headers={"Host": "hooks.example.com", "Via": "1.1 edge", "X-Own": "hidden"}))
    text = relay("rejections", "show", "0123456789ab-1", **options).stdout

    assert "Host: hooks.example.com" in text
    assert "Via: 1.1 edge" in text
    assert "X-Own: redacted" in text


def test_a_long_body_is_cut(
    relay: Relay, server: Server, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that is said."""
    monkeypatch.setattr("relay.commands.rejections.shown.MAX_BODY_SHOWN", 10)
    (wanted,) = kept(server, row())
    shown = json.loads(relay("rejections", "show", wanted, "--body", "--json", **options).stdout)

    assert shown["body"] == BODY[:10].decode()
    assert shown["body_cut"] is True


def test_nothing_of_a_sender_works_on_a_terminal(
    relay: Relay, server: Server, options: Options
) -> None:
    """Neither escapes nor markup nor bidi characters, whatever part of a row they stand in."""
    body = NASTY.encode() + b"\xff" + BODY
    headers = {"user-agent": NASTY + "\udcff", f"x-{NASTY}": "v", "content-type": NASTY}
    nasty = row(body, headers, query=NASTY, client=NASTY, reason=NASTY, request_id=NASTY)
    (wanted,) = kept(server, nasty)
    (missing,) = kept(server, row(body, {f"x-unipile-signature{NASTY}": "v"}, request_id="2"))
    options["RELAY_LOG_FORMAT"] = "text"
    ask(server, "HSET", KEYS.usage("unipile"), f"outcome:{NASTY}", "1 1 1")
    ask(server, "EXPIRE", KEYS.usage("unipile"), 60)
    commands = [
        ("list",),
        ("list", "--json"),
        ("show", wanted, "--body"),
        ("show", wanted, "--body", "--json"),
        ("explain", wanted),
        ("explain", wanted, "--json"),
        ("explain", missing),
        ("accept", missing),
        ("accept", wanted),
        ("accept", wanted, "--force", "--by", NASTY, "--reason", NASTY),
        ("list",),
        ("show", wanted),
        ("show", NASTY),
        ("list", NASTY),
    ]
    nothing = set(NASTY) - set("[2Jbold]")
    for command in commands:
        done = relay("rejections", *command, **options)
        output = done.stdout + done.stderr

        assert not nothing & set(output), command
        assert done.exception is None or isinstance(done.exception, SystemExit), command


def test_an_id_that_is_nobodys_is_said(relay: Relay, server: Server, options: Options) -> None:
    """Also one that can be none."""
    ask(server, "PING")
    unknown = relay("rejections", "show", "unipile/1-1", **options)
    of_answer = relay("rejections", "explain", "ffffffffffff-1", **options)
    none = relay("rejections", "show", "unipile/latest", **options)

    assert (unknown.exit_code, of_answer.exit_code, none.exit_code) == (1, 1, 2)


def test_a_refusal_is_explained_with_its_cause_first(
    relay: Relay, server: Server, options: Options
) -> None:
    """Then what to do, then each step."""
    (wanted,) = kept(server, wrong())
    lines = relay("rejections", "explain", wanted, **options).stdout.splitlines()
    said = json.loads(relay("rejections", "explain", wanted, "--json", **options).stdout)

    assert lines[0] == said["cause"]
    assert "No secret of the endpoint" in lines[0]
    assert lines[1] == said["remedy"]
    assert said["verdict"] == "signature_mismatch"
    assert said["steps"]


def test_what_cannot_be_explained_is_said(
    relay: Relay, server: Server, options: Options, tmp_path: Path
) -> None:
    """An endpoint that is gone; and a secret that is not here."""
    (wanted,) = kept(server, wrong())
    missing = relay("rejections", "explain", wanted)
    (tmp_path / "relay.toml").write_text(
        FILE.format(url=server.url, more="").replace("endpoints.unipile", "endpoints.other")
    )
    gone = relay("rejections", "explain", wanted, **options)

    assert "UNIPILE_WEBHOOK_SECRET" in missing.stderr
    assert gone.exit_code == 1
    assert "not in the configuration" in gone.stderr


def test_what_passes_now_is_stored_once(relay: Relay, server: Server, options: Options) -> None:
    """And again nothing, by whichever of its names; the list says so."""
    (wanted,) = kept(server, row())
    first = relay("rejections", "accept", wanted, **options)
    again = relay("rejections", "accept", "0123456789ab-1", **options)
    shortly = relay("rejections", "accept", wanted.partition("/")[2], **options)
    shown = json.loads(relay("rejections", "show", wanted, "--json", **options).stdout)
    (event,) = events(server)

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "stored" in first.stdout
    assert "accepted before" in again.stdout
    assert "accepted before" in shortly.stdout
    assert (event.id, event.assurance, event.data) == ("evt_1", "body", BODY)
    assert shown["accepted"]["outcome"] == "stored"
    assert "stored" in relay("rejections", "list", **options).stdout


def test_a_known_event_is_a_duplicate(relay: Relay, server: Server, options: Options) -> None:
    """As when its sender has sent it again meanwhile."""
    first, second = kept(server, row(), row(request_id="second"))
    relay("rejections", "accept", first, **options)
    done = relay("rejections", "accept", second, **options)

    assert "duplicate" in done.stdout
    assert len(events(server)) == 1


def test_what_does_not_pass_is_not_stored(relay: Relay, server: Server, options: Options) -> None:
    """The cause is said, and what can be done all the same."""
    (wanted,) = kept(server, wrong())
    done = relay("rejections", "accept", wanted, **options)

    assert done.exit_code == 1
    assert "No secret of the endpoint" in done.stderr
    assert "--force" in done.stderr
    assert not events(server)


def test_an_operator_can_insist(relay: Relay, server: Server, options: Options) -> None:
    """By name and with a reason, which are kept; the event says that nothing was proved."""
    (wanted,) = kept(server, wrong())
    nameless = relay("rejections", "accept", wanted, "--force", "--reason", "x", **options)
    speechless = relay("rejections", "accept", wanted, "--force", "--by", "kim", **options)
    done = relay("rejections", "accept", wanted, *FORCE, **options)
    again = relay("rejections", "accept", wanted, *FORCE, **options)
    shown = json.loads(relay("rejections", "show", wanted, "--json", **options).stdout)
    (event,) = events(server, "unidentified")
    (line,) = [line for line in done.stderr.splitlines() if "rejection_accepted" in line]

    assert (nameless.exit_code, speechless.exit_code) == (2, 2)
    assert (done.exit_code, again.exit_code) == (0, 0)
    assert event.assurance == "none"
    assert (shown["accepted"]["by"], shown["accepted"]["reason"]) == (FORCE[2], FORCE[4])
    assert "forced by kim" in relay("rejections", "list", **options).stdout
    assert json.loads(line).items() >= {"by": "kim", "assurance": "none"}.items()
    assert "hidden-words" not in done.stderr


def test_what_passes_since_nothing_is_asked_for_needs_someone_to_insist(
    relay: Relay, server: Server, options: Options, tmp_path: Path
) -> None:
    """It was refused when its endpoint asked for a proof, and may be anyone's."""
    (wanted,) = kept(server, wrong())
    configured = (tmp_path / "relay.toml").read_text()
    (tmp_path / "relay.toml").write_text(configured.replace('"unipile"', '"none"'))
    done = relay("rejections", "accept", "--all-of", "unipile", "--yes", **options)
    explained = relay("rejections", "explain", wanted, **options)
    forced = relay("rejections", "accept", wanted, *FORCE, **options)

    assert (done.exit_code, forced.exit_code) == (1, 0)
    assert "asks for no proof now" in done.stderr
    assert explained.stdout.startswith("The endpoint asks for no proof now")
    assert "assurance none" in forced.stdout


def test_insisting_on_what_passes_proves_it(relay: Relay, server: Server, options: Options) -> None:
    """It is no less proved since somebody insists."""
    (wanted,) = kept(server, row())
    relay("rejections", "accept", wanted, *FORCE, **options)
    (event,) = events(server)

    assert event.assurance == "body"


def test_all_of_an_endpoint_are_accepted_at_once(
    relay: Relay, server: Server, options: Options
) -> None:
    """Those that pass; nobody is there to be asked, so it must be said."""
    kept(server, row(), wrong(request_id="wrong"))
    asked = relay("rejections", "accept", "--all-of", "unipile", **options)
    done = relay("rejections", "accept", "--all-of", "unipile", "--yes", **options)
    forced = relay("rejections", "accept", "--all-of", "unipile", *FORCE, **options)

    assert (asked.exit_code, done.exit_code, forced.exit_code) == (2, 1, 2)
    assert len(events(server)) == 1
    assert not events(server, "unidentified")


def test_what_a_dry_run_has_taken_is_stored_once_it_verifies(
    relay: Relay, server: Server, options: Options
) -> None:
    """As the genuine event that it is; what it stored without a proof reaches few handlers."""
    kept(server, row(is_dry_run=True))
    done = relay("rejections", "accept", "--all-of", "unipile", "--yes", **options)
    (event,) = events(server)

    assert done.exit_code == 0
    assert event.assurance == "body"


def test_what_a_dry_run_has_taken_is_not_stored_without_a_proof_again(
    relay: Relay, server: Server, options: Options
) -> None:
    """Whoever insists; there is nothing left to do about it."""
    (wanted,) = kept(server, replace(wrong(), is_dry_run=True))
    done = relay("rejections", "accept", wanted, *FORCE, **options)

    assert done.exit_code == 0
    assert "dry run" in done.stdout
    assert not events(server)
    assert not events(server, "unidentified")


def test_what_is_not_whole_is_not_accepted(relay: Relay, server: Server, options: Options) -> None:
    """Whoever insists."""
    long = row(b"x" * (256 * 1024 + 1), request_id="long")
    ids = kept(server, row(None), long, row(method="GET"), row(reason="handshake_refused"))
    done = relay("rejections", "accept", *ids, *FORCE, "--yes", **options)

    assert done.exit_code == 1
    assert done.stderr.count("not accepted") == 4
    assert not events(server, "unidentified")


def test_one_that_is_gone_holds_up_no_other(relay: Relay, server: Server, options: Options) -> None:
    """It may have become too old meanwhile."""
    (wanted,) = kept(server, row())
    done = relay("rejections", "accept", "unipile/1-1", wanted, **options)

    assert done.exit_code == 1
    assert len(events(server)) == 1


def test_how_many_were_refused_is_said(relay: Relay, server: Server, options: Options) -> None:
    """Of most there is no row in a flood; what was stored is none of them."""
    kept(server, row())
    for name, count in (("signature_mismatch", 7), ("dry_run:signature_missing", 2), ("stored", 9)):
        ask(server, "HSET", KEYS.usage("unipile"), f"outcome:{name}", f"{count} 0 1")
    ask(server, "EXPIRE", KEYS.usage("unipile"), 60)
    done = relay("rejections", "list", **options)

    assert "unipile: refused since 1970-01-01T00:00:00.000Z: 9; rows in the log: 1." in done.stderr


def test_filters_hold(relay: Relay, server: Server, options: Options, tmp_path: Path) -> None:
    """Also for who insists."""
    configure(server, tmp_path, 'accounts = ["acc_2"]')
    right, other = kept(server, row(), wrong(request_id="other"))
    done = relay("rejections", "accept", right, **options)
    forced = relay("rejections", "accept", other, *FORCE, **options)

    assert "filtered" in done.stdout
    assert "filtered" in forced.stdout
    assert not events(server)


def test_a_full_store_takes_nothing(
    relay: Relay, server: Server, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the gateway's: the rest of its memory is for workers."""
    (wanted,) = kept(server, row())
    monkeypatch.setattr("relay.capacity.STOP_RATIO", 0.0)
    done = relay("rejections", "accept", wanted, **options)

    assert done.exit_code == 1
    assert "store_full" in done.stderr
    assert not events(server)


def test_a_cap_takes_nothing(
    relay: Relay, server: Server, options: Options, tmp_path: Path
) -> None:
    """The same ones as the gateway's."""
    configure(server, tmp_path, '[caps."unipile:*"]\nmax_entries = 1')
    first, second = kept(
        server,
        row(),
        row(BODY.replace(b"evt_1", b"evt_2"), request_id="second"),
    )
    relay("rejections", "accept", first, **options)
    done = relay("rejections", "accept", second, **options)

    assert done.exit_code == 1
    assert len(events(server)) == 1


def test_secrets_that_count_now_judge_what_came_then(
    relay: Relay, server: Server, options: Options, tmp_path: Path
) -> None:
    """One that was put there since takes what it was put there for; one that is over does not."""
    at = now_ms() - 3_600_000
    first, second = kept(
        server,
        row(headers=signed(BODY, at // 1000), received_at_ms=at),
        row(headers=signed(BODY, at // 1000), received_at_ms=at, request_id="second"),
    )
    text = FILE.format(url=server.url, more="")
    over = text.replace(" }]", ', not_after = 2026-01-01T00:00:00Z }, { env = "NEW" }]')
    since = text.replace(" }]", f", not_before = {time_text(now_ms() - 60_000)} }}]")
    (tmp_path / "relay.toml").write_text(over)
    refused = relay("rejections", "accept", first, NEW="wes_new_0000000", **options)
    said = relay("rejections", "explain", first, NEW="wes_new_0000000", **options)
    (tmp_path / "relay.toml").write_text(since)
    done = relay("rejections", "accept", second, **options)

    assert (refused.exit_code, done.exit_code) == (1, 0)
    assert "does not count after" in said.stdout.splitlines()[0]
    assert len(events(server)) == 1


def test_a_stream_that_it_begins_has_its_groups(
    relay: Relay, server: Server, options: Options, tmp_path: Path
) -> None:
    """As when the gateway begins one: they miss nothing."""
    configure(server, tmp_path, '[groups]\ncrm = ["unipile:*"]')
    (wanted,) = kept(server, row())
    relay("rejections", "accept", wanted, **options)
    (group,) = ask(server, "XINFO", "GROUPS", KEYS.stream("unipile", "message.new"))

    assert b"crm" in group


def test_the_secret_of_another_endpoint_is_named(
    relay: Relay, server: Server, options: Options, tmp_path: Path
) -> None:
    """They are often confused."""
    other = '[endpoints.billing]\nprovider = "unipile"\nsecrets = [{ env = "OTHER" }]'
    configure(server, tmp_path, other)
    (wanted,) = kept(server, wrong())
    said = relay("rejections", "explain", wanted, OTHER="wes_another_0000", **options)

    assert "billing" in said.stdout.splitlines()[0]
    assert "wes_another" not in said.stdout
