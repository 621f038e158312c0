"""Changed secret files are noticed by their content, once each, and never half-written."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.contract.references import MAX_FILE_LENGTH
from relay.processes.secret_files import SecretFiles

OLD, NEW = "the-old-one\n", "the-new-one\n"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file as it was taken over."""
    path = tmp_path / "signing.secret"
    path.write_text(OLD)
    return path


def taken_of(*paths: Path) -> dict[str, str | None]:
    """Say what files held when they were taken over."""
    return {str(path): path.read_text() if path.exists() else None for path in paths}


def test_an_unchanged_file_is_no_news(secret: Path) -> None:
    """However often it is looked at, and also where it was written again."""
    files, taken = SecretFiles(), taken_of(secret)
    looks = [files.look(taken), files.look(taken)]
    secret.write_text(OLD)

    assert [*looks, files.look(taken), files.look(taken)] == [None] * 4


def test_a_change_counts_when_two_looks_have_found_the_same(secret: Path) -> None:
    """What is half-written at the first look has another end at the second."""
    files, taken = SecretFiles(), taken_of(secret)
    secret.write_text(NEW[:5])
    half = files.look(taken)
    secret.write_text(NEW)
    looks = [files.look(taken), files.look(taken), files.look(taken)]

    assert half is None
    assert looks == [None, {str(secret): NEW}, None]


def test_what_was_not_taken_over_is_said_again_only_when_asked(secret: Path) -> None:
    """The processes did not come up: the same secret is worth another try."""
    files, taken = SecretFiles(), taken_of(secret)
    secret.write_text(NEW)
    first = [files.look(taken), files.look(taken), files.look(taken)]
    files.forget()

    assert [*first, files.look(taken)] == [None, {str(secret): NEW}, None, {str(secret): NEW}]


def test_a_symbolic_link_that_leads_elsewhere_is_a_change(tmp_path: Path, secret: Path) -> None:
    """Kubernetes changes the link of a directory, and no file's own time."""
    for name, text in (("one", OLD), ("two", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_text(text)
    current, path = tmp_path / "..data", tmp_path / "..data" / "secret"
    current.symlink_to("one")
    files, taken = SecretFiles(), taken_of(path)
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(current)
    files.look(taken)

    assert files.look(taken) == {str(path): NEW}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "the file is gone"),
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"\0" * 4096, "the file is empty"),
        (b"x" * (MAX_FILE_LENGTH + 1), "cannot be read: TooLong"),
        (b"\xff\xfe", "cannot be read: UnicodeDecodeError"),
    ],
)
def test_a_file_without_a_secret_counts_as_it_was(
    secret: Path, content: bytes | None, why: str
) -> None:
    """It is warned of once, and another file's change is taken all the same."""
    other = secret.with_name("other.secret")
    other.write_text(OLD)
    files, taken = SecretFiles(), taken_of(secret, other)
    secret.unlink()
    if content is not None:
        secret.write_bytes(content)
    with capture_logs() as logs:
        looks = [files.look(taken) for _ in range(4)]
    other.write_text(NEW)
    files.look(taken)

    assert looks == [None] * 4
    assert [(line["event"], line["faults"]) for line in logs] == [
        ("secrets_unusable", [f"{secret}: {why}"])
    ]
    assert files.look(taken) == {str(secret): OLD, str(other): NEW}


def test_a_file_of_any_length_is_read_no_further_than_a_secret_is_long(secret: Path) -> None:
    """A log that was put there by mistake does not fill the gateway's memory."""
    files, taken = SecretFiles(), taken_of(secret)
    with secret.open("wb") as file:
        file.truncate(64 * 1024**3)
    with capture_logs() as logs:
        looks = [files.look(taken), files.look(taken)]

    assert looks == [None, None]
    assert [line["faults"] for line in logs] == [[f"{secret}: cannot be read: TooLong"]]


def test_a_file_that_comes_back_as_it_was_is_no_news(secret: Path) -> None:
    """And one that goes again is warned of again."""
    files, taken = SecretFiles(), taken_of(secret)
    with capture_logs() as logs:
        for _ in range(2):
            secret.unlink()
            assert files.look(taken) == files.look(taken) is None
            secret.write_text(OLD)
            assert files.look(taken) == files.look(taken) is None

    assert [line["event"] for line in logs] == ["secrets_unusable"] * 2


def test_a_file_that_is_awaited_is_taken_when_it_comes(tmp_path: Path) -> None:
    """Without a warning before: it is not missed."""
    path = tmp_path / "notion.secret"
    files, taken = SecretFiles(), taken_of(path)
    with capture_logs() as logs:
        waiting = [files.look(taken), files.look(taken)]
        path.write_text(NEW)
        files.look(taken)
        came = files.look(taken)

    assert waiting == [None, None]
    assert came == {str(path): NEW}
    assert logs == []
