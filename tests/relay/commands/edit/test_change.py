"""Changes of ``relay.toml`` leave everything else in it as it was."""

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.commands.edit import Draft, NotEdited, add_endpoint, end_secret, put_secret, take_secret
from relay.contract.explain import CommandFailed

NEW = {"env": "NEW"}
END = datetime(2026, 12, 1, 8, tzinfo=UTC)
# As it is; with NEW put first; without OLD.
FORMS = {
    "one line": (
        '[endpoints.x] # who\nsecrets = [{ env = "OLD" }, { env = "B" }] # why\n',
        '[endpoints.x] # who\nsecrets = [{ env = "NEW" }, { env = "OLD" }, { env = "B" }] # why\n',
        '[endpoints.x] # who\nsecrets = [{ env = "B" }] # why\n',
    ),
    "several lines": (
        (
            "[endpoints.x]\nsecrets = [\n"
            "  # the old\n  { env = 'OLD' }, # of May\n  # next\n  {env='B'},\n]\nz = 1 # end\n"
        ),
        (
            '[endpoints.x]\nsecrets = [\n  { env = "NEW" },\n'
            "  # the old\n  { env = 'OLD' }, # of May\n  # next\n  {env='B'},\n]\nz = 1 # end\n"
        ),
        "[endpoints.x]\nsecrets = [\n  # the old\n  # next\n  {env='B'},\n]\nz = 1 # end\n",
    ),
    "line ends of Windows": (
        '# top\r\n[endpoints.x]\r\nsecrets = [\r\n\t{ env = "OLD" },\r\n\t{ env = "B" }\r\n]\r\n',
        (
            '# top\r\n[endpoints.x]\r\nsecrets = [\r\n\t{ env = "NEW" },\r\n\t{ env = "OLD" },\r\n'
            '\t{ env = "B" }\r\n]\r\n'
        ),
        '# top\r\n[endpoints.x]\r\nsecrets = [\r\n\t{ env = "B" }\r\n]\r\n',
    ),
    "tables": (
        (
            "[endpoints.x]\np = 1\n\n# the old\n[[endpoints.x.secrets]]\nenv = 'OLD' # of May\n\n"
            "# next\n[[ endpoints . 'x' . secrets ]]\nenv = 'B'\n\n# the store\n[redis]\n"
        ),
        (
            '[endpoints.x]\np = 1\n\n[[endpoints.x.secrets]]\nenv = "NEW"\n\n'
            "# the old\n[[endpoints.x.secrets]]\nenv = 'OLD' # of May\n\n"
            "# next\n[[ endpoints . 'x' . secrets ]]\nenv = 'B'\n\n# the store\n[redis]\n"
        ),
        (
            "[endpoints.x]\np = 1\n\n# the old\n\n"
            "# next\n[[ endpoints . 'x' . secrets ]]\nenv = 'B'\n\n# the store\n[redis]\n"
        ),
    ),
    "the same in another endpoint": (
        (
            '[endpoints.w]\nsecrets = [{ env = "OLD" }]\n[redis]\n[endpoints.x]\n'
            'secrets = [{ env = "OLD" }]\n'
        ),
        (
            '[endpoints.w]\nsecrets = [{ env = "OLD" }]\n[redis]\n[endpoints.x]\n'
            'secrets = [{ env = "NEW" }, { env = "OLD" }]\n'
        ),
        '[endpoints.w]\nsecrets = [{ env = "OLD" }]\n[redis]\n[endpoints.x]\nsecrets = []\n',
    ),
    "on one line with its endpoint": (
        "[endpoints]\nx = { p = 1, secrets = [{ env = 'OLD' }] } # short\n",
        "[endpoints]\nx = { p = 1, secrets = [{ env = \"NEW\" }, { env = 'OLD' }] } # short\n",
        "[endpoints]\nx = { p = 1, secrets = [] } # short\n",
    ),
    "dotted": (
        "endpoints.x.secrets = [{ env = 'OLD' }, { file = '/b' }]",
        "endpoints.x.secrets = [{ env = \"NEW\" }, { env = 'OLD' }, { file = '/b' }]",
        "endpoints.x.secrets = [{ file = '/b' }]",
    ),
    "beside a text that looks like it": (
        (
            '[endpoints.x]\nnote = """\nsecrets = [{ env = "OLD" }]\n"""\n'
            'secrets = [{ env = "OLD" }]\n'
        ),
        (
            '[endpoints.x]\nnote = """\nsecrets = [{ env = "OLD" }]\n"""\n'
            'secrets = [{ env = "NEW" }, { env = "OLD" }]\n'
        ),
        '[endpoints.x]\nnote = """\nsecrets = [{ env = "OLD" }]\n"""\nsecrets = []\n',
    ),
}


def draft(text: str) -> Draft:
    """Give a file with this text."""
    return Draft(Path("relay.toml"), text.encode(), text)


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_put_first(form: str) -> None:
    """However the secrets are written; what is said of the others stays with them."""
    text, with_new, _ = FORMS[form]

    assert put_secret(draft(text), "x", NEW).text == with_new


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_taken_out(form: str) -> None:
    """With what stands on its own line, and nothing else."""
    text, _, without_old = FORMS[form]

    assert take_secret(draft(text), "x", "env:OLD").text == without_old


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [False, True])
def test_a_secret_is_given_an_end(form: str, cut: bool) -> None:
    """And another one after that; what is said of it and of the others stays."""
    text = FORMS[form][0]
    before = draft(text.rstrip("\r\n") if cut else text)
    earlier = end_secret(before, "x", "env:OLD", END - timedelta(days=1))
    made = end_secret(earlier, "x", "env:OLD", END)
    wanted = before.toml
    for secret in wanted["endpoints"]["x"]["secrets"]:
        if secret.get("env") == "OLD":
            secret["not_after"] = END

    assert made.toml == wanted
    assert re.findall(r"#[^\r\n]*", made.text) == re.findall(r"#[^\r\n]*", text)
    assert ("\r\n" in made.text) is ("\r\n" in text)


@pytest.mark.parametrize("form", FORMS)
def test_an_end_is_taken_away(form: str) -> None:
    """Where there is none it is as before."""
    before = draft(FORMS[form][0])
    ended = end_secret(before, "x", "env:OLD", END)

    assert end_secret(ended, "x", "env:OLD", None).toml == before.toml
    assert end_secret(before, "x", "env:OLD", None).toml == before.toml


@pytest.mark.parametrize("text", ['{ env = "OLD" }', "{env='OLD'}"])
def test_an_end_stands_as_the_rest_does(text: str) -> None:
    """With a space before the bracket; and taken away again it leaves none."""
    made = end_secret(draft(f"[endpoints.x]\nsecrets = [{text}]\n"), "x", "env:OLD", END)

    end = "not_after = 2026-12-01T08:00:00Z"
    assert f'[{{ env = "OLD", {end} }}]' in made.text
    assert '[{ env = "OLD" }]' in end_secret(made, "x", "env:OLD", None).text


def test_a_file_may_end_with_the_secret_that_is_given_an_end() -> None:
    """Without a newline there."""
    made = end_secret(draft("[[endpoints.x.secrets]]\nenv = 'OLD'"), "x", "env:OLD", END)

    assert made.text == ("[[endpoints.x.secrets]]\nenv = 'OLD'\nnot_after = 2026-12-01T08:00:00Z\n")


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (
            "[endpoints.x]\np = 1 # one\n\n# the store\n[redis]\n",
            '[endpoints.x]\np = 1 # one\nsecrets = [{ env = "NEW" }]\n\n# the store\n[redis]\n',
        ),
        ("[endpoints.x]\np = 1", '[endpoints.x]\np = 1\nsecrets = [{ env = "NEW" }]\n'),
        (
            "[endpoints.x]\nsecrets = [ # none\n]\n",
            '[endpoints.x]\nsecrets = [ { env = "NEW" }, # none\n]\n',
        ),
    ],
)
def test_the_first_secret_gets_a_line_of_its_own(text: str, changed: str) -> None:
    """At the end of its endpoint's table."""
    assert put_secret(draft(text), "x", NEW).text == changed


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", '[endpoints.new-app]\nprovider = "github"\nsecrets = [{ env = "NEW" }]\n'),
        (
            "# only this\n",
            (
                '# only this\n\n[endpoints.new-app]\nprovider = "github"\n'
                'secrets = [{ env = "NEW" }]\n'
            ),
        ),
        (
            "port = 1\r\n[endpoints.x]\r\np = 1 # no end",
            (
                "port = 1\r\n[endpoints.x]\r\np = 1 # no end\r\n\r\n"
                '[endpoints.new-app]\r\nprovider = "github"\r\nsecrets = [{ env = "NEW" }]\r\n'
            ),
        ),
    ],
)
def test_an_endpoint_is_added_at_the_end(text: str, changed: str) -> None:
    """With an empty line before it, and the line ends of the file."""
    added = add_endpoint(draft(text), "new-app", {"provider": "github", "secrets": [NEW]})

    assert added.text == changed
    assert added.lines == (
        "[endpoints.new-app]",
        'provider = "github"',
        'secrets = [{ env = "NEW" }]',
    )


def test_what_cannot_be_changed_is_given_as_lines() -> None:
    """A table on one line takes no table at the end."""
    closed = draft("endpoints = { x = { p = 1 } }\n")
    with pytest.raises(NotEdited) as stopped:
        add_endpoint(closed, "new-app", {"provider": "github"})

    assert stopped.value.lines == ("[endpoints.new-app]", 'provider = "github"')
    assert 'provider = "github"' in str(stopped.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: add_endpoint(file, "x", {"provider": "github"}), "already"),
        (lambda file: put_secret(file, "y", NEW), "is not in relay.toml"),
        (lambda file: put_secret(file, "x", {"env": "OLD"}), "is a secret of x already"),
        (lambda file: take_secret(file, "x", "env:NEW"), "is not among the secrets of x"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(change: Any, said: str) -> None:
    """A second endpoint of a name, a secret that is there, one that is not."""
    with pytest.raises(CommandFailed, match=said):
        change(draft("[endpoints.x]\nsecrets = [{ env = 'OLD' }]\n"))


COMMENTS = st.sampled_from(["", " # note", ' # ] } "', "\n# [[endpoints.x.secrets]]", "\n\n"])
NAMES = st.lists(st.sampled_from("ABCDE"), unique=True, min_size=1)


@given(names=NAMES, comments=st.lists(COMMENTS, min_size=6, max_size=6), form=st.integers(0, 2))
def test_every_other_comment_and_value_stays(
    names: list[str], comments: list[str], form: int
) -> None:
    """Whatever stands between the secrets, and however they are written."""
    if form == 0:
        body = ",".join(f"\n {{ env = '{name}' }}" for name in names)
        text = f"[endpoints.x]{comments[0]}\nsecrets = [{comments[1]}{body}{comments[2]}\n]\n"
    elif form == 1:
        lines = [
            f" {{ env = '{name}' }},{comment}\n"
            for name, comment in zip(names, comments, strict=False)
        ]
        text = f"[endpoints.x]\nsecrets = [\n{''.join(lines)}]{comments[5]}\n[redis]\n"
    else:
        tables = [
            f"{comment}\n[[endpoints.x.secrets]]\nenv = '{name}'\n"
            for name, comment in zip(names, comments, strict=False)
        ]
        text = f"[endpoints.x]\n{''.join(tables)}{comments[5]}\n[redis]\n"
    more = put_secret(draft(text), "x", {"env": "F"})
    less = take_secret(draft(more.text), "x", f"env:{names[0]}")
    said = tomllib.loads(less.text)["endpoints"]["x"]["secrets"]

    assert [each["env"] for each in said] == ["F", *names[1:]]
    assert less.text.count("#") >= text.count("#") - 2
