"""What is taken over and what is refused, without processes and without a store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.contract.duties import cancel
from relay.contract.errors import RelayError
from relay.processes import reloading
from relay.processes.configuration import Configuration, read_configuration
from relay.processes.reloading import Reloader
from relay.processes.wishes import Wishes
from tests.waiting import wait_until

FILE = """
[endpoints.unipile]
provider = "unipile"
secrets = [{ file = "signing.secret" }]
"""


class Crew:
    """Takes a configuration instead of starting processes."""

    def __init__(self) -> None:
        self.taken: list[Configuration] = []
        self.fails = False
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def replace(self, configuration: Configuration) -> None:
        """Take one, as soon as that may be."""
        self.taken.append(configuration)
        await self.may_go_on.wait()
        if self.fails:
            raise RelayError


class Asked:
    """Somebody who has asked for a reload."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, tuple[str, ...]]] = []

    async def answer(self, outcome: str, faults: tuple[str, ...] = ()) -> None:
        """Take the answer."""
        self.answers.append((outcome, faults))


class Requests:
    """Knows where would be listened."""

    def __init__(self) -> None:
        self.at: list[str] = []

    async def listen_at(self, url: str, keys: Any) -> None:
        """Take note of the place."""
        self.at.append(url)


class Scene:
    """A gateway in a directory, without its processes."""

    def __init__(self, directory: Path) -> None:
        self.toml, self.secret = directory / "relay.toml", directory / "signing.secret"
        self.toml.write_text(FILE)
        self.secret.write_text("the-old-one\n")
        self.crew, self.requests, self.wishes = Crew(), Requests(), Wishes()
        crew, requests = self.crew, self.requests
        read: Any = lambda: read_configuration({})  # noqa: E731
        self.reloader = Reloader(crew, read(), read, requests)  # type: ignore[arg-type]
        self.task = asyncio.create_task(self.reloader.run(self.wishes))

    async def ask(self) -> list[tuple[str, tuple[str, ...]]]:
        """Ask for a reload, and give the answers."""
        asked: Any = Asked()
        self.wishes.reload(asked)
        await wait_until(lambda: bool(asked.answers), description="it is answered")
        return asked.answers  # type: ignore[no-any-return]

    def secrets(self) -> list[str]:
        """Give the text of the secret in each configuration that was taken."""
        return [str(one.secrets["signing.secret"]).strip() for one in self.crew.taken]


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A gateway that looks at its files often."""
    monkeypatch.chdir(tmp_path)
    for name in ("REDIS_URL", "RELAY_CONFIG", "UNIPILE_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(reloading, "LOOK_SECONDS", 0.02)
    made = Scene(tmp_path)
    yield made
    await cancel([made.task])


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What is logged."""
    with capture_logs() as captured:
        yield captured


def said(logs: list[Any], event: str) -> list[Any]:
    """Give the lines of one event."""
    return [line for line in logs if line["event"] == event]


async def test_a_changed_secret_is_taken_over_and_an_edit_nobody_asked_for_stays_out(
    logs: list[Any], scene: Scene
) -> None:
    """Even one that could not be read."""
    scene.toml.write_text("processes = [")
    scene.secret.write_text("the-new-one\n")
    await wait_until(lambda: bool(said(logs, "reloaded")), description="it is taken over")

    assert scene.secrets() == ["the-new-one"]
    assert scene.crew.taken[0].settings.processes == 1
    assert [line["files"] for line in said(logs, "secrets_changed")] == [["signing.secret"]]
    assert "the-new-one" not in str(logs)


async def test_a_secret_that_is_none_is_refused_once(logs: list[Any], scene: Scene) -> None:
    """The old one goes on until the file holds another that is one."""
    scene.toml.write_text(FILE.replace('"unipile"\n', '"standard-webhooks"\n'))
    scene.secret.write_text("whsec_" + "QUFB" * 8)
    await scene.ask()
    scene.secret.write_text("whsec_!")
    await wait_until(lambda: bool(said(logs, "reload_refused")), description="it is refused")
    scene.secret.write_text("whsec_" + "QkJC" * 8)
    await wait_until(lambda: len(scene.crew.taken) == 2, description="a good one is taken")

    assert len(said(logs, "reload_refused")) == 1
    assert scene.secrets() == ["whsec_" + "QUFB" * 8, "whsec_" + "QkJC" * 8]


async def test_a_secret_whose_processes_do_not_come_up_is_tried_again_later(
    logs: list[Any], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at each look, and not never."""
    monkeypatch.setattr(reloading, "AGAIN_SECONDS", 0.3)
    scene.crew.fails = True
    scene.secret.write_text("the-new-one\n")
    await wait_until(lambda: bool(said(logs, "reload_failed")), description="it has failed")
    scene.crew.fails = False
    await wait_until(lambda: bool(said(logs, "reloaded")), description="it is tried again")

    assert scene.secrets() == ["the-new-one"] * 2


async def test_a_changed_password_of_the_store_is_used_for_listening_too(scene: Scene) -> None:
    """The parent's own connection is one as any other."""
    scene.toml.write_text(FILE + "[redis]\npassword = { file = 'password' }\n")
    password = scene.toml.with_name("password")
    password.write_text("one")
    await scene.ask()
    password.write_text("two")
    await wait_until(lambda: len(scene.crew.taken) == 2, description="it is taken over")
    await wait_until(lambda: scene.requests.at[-1].count(":two@") == 1, description="it listens")

    assert scene.crew.taken[-1].settings.redis_url == "redis://:two@localhost:6379/0"


async def test_who_asks_during_a_reload_is_answered_by_the_next(scene: Scene) -> None:
    """All of them by one."""
    scene.crew.may_go_on.clear()
    scene.wishes.reload()
    await wait_until(lambda: len(scene.crew.taken) == 1, description="one is under way")
    asked: list[Any] = [Asked(), Asked(), Asked()]
    for one in asked:
        scene.wishes.reload(one)
    scene.crew.may_go_on.set()
    await wait_until(lambda: all(one.answers for one in asked), description="all are answered")

    assert [one.answers for one in asked] == [[("taken_over", ())]] * 3
    assert len(scene.crew.taken) == 2


async def test_faults_are_answered_whole(scene: Scene) -> None:
    """Each of them, and none holds the secret."""
    scene.toml.write_text('colour = "red"\nbody_seconds = "x"\n' + FILE)
    [(outcome, faults)] = await scene.ask()

    assert outcome == "refused"
    assert len(faults) == 2
    assert "the-old-one" not in str(faults)
    assert scene.crew.taken == []


async def test_an_answer_says_that_processes_did_not_come_up(scene: Scene) -> None:
    """Which is no fault of the configuration."""
    scene.crew.fails = True

    assert await scene.ask() == [("failed", ())]


async def test_who_asks_a_gateway_that_ends_is_answered(scene: Scene) -> None:
    """Nobody is to wait for it."""
    scene.crew.may_go_on.clear()
    asked: Any = Asked()
    scene.wishes.reload(asked)
    await wait_until(lambda: len(scene.crew.taken) == 1, description="it is under way")
    await cancel([scene.task])

    assert asked.answers == [("failed", ())]


@pytest.mark.parametrize(
    ("content", "word"), [(None, "is gone"), ("", "holds nothing"), ("# later\n", "holds nothing")]
)
async def test_a_file_that_is_gone_or_empty_ends_no_endpoint(
    scene: Scene, content: str | None, word: str
) -> None:
    """It is refused like any other configuration that cannot be meant."""
    scene.toml.unlink()
    if content is not None:
        scene.toml.write_text(content)
    [(outcome, faults)] = await scene.ask()

    assert outcome == "refused"
    assert [fault.partition(". ")[0] for fault in faults] == [
        f"relay.toml {word}; it named 1 endpoint"
    ]
    assert scene.crew.taken == []


async def test_a_bug_ends_neither_the_gateway_nor_later_reloads(
    logs: list[Any], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged without its message, and who asked is answered."""
    with monkeypatch.context() as broken:
        broken.setattr(Configuration, "refuse_emptied", lambda *_: 1 / 0)
        first = await scene.ask()
    second = await scene.ask()

    assert (first, second) == ([("failed", ())], [("taken_over", ())])
    assert [line["error"] for line in said(logs, "reload_failed")] == ["ZeroDivisionError"]
