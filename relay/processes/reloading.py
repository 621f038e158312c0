"""Takes a changed configuration over, or refuses it whole, and says which.

Wishes and changed secret files come in; replaced processes and answers go out. Whatever is wrong
with what is new, the gateway goes on with what it has.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from relay.app import warn_of_settings
from relay.contract.errors import ConfigurationFault, RelayError
from relay.contract.frames import frames
from relay.contract.reload import Outcome
from relay.processes.configuration import Configuration
from relay.processes.crew import Crew
from relay.processes.requests import Requests
from relay.processes.secret_files import LOOK_SECONDS, SecretFiles
from relay.processes.wishes import Wish, Wishes

# The parent's own, which stay as they were at the start.
FIXED_SETTINGS = ("host", "port", "admin_host", "admin_port", "log_format", "log_level")
# Processes did not come up, which may be the machine's fault and not that of the secrets.
AGAIN_SECONDS = 60.0

Read = Callable[[], Configuration]

_log = structlog.get_logger("relay.processes")


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a reload.

    Args:
        outcome: In a word.
        faults: What was wrong.
    """

    outcome: Outcome
    faults: tuple[str, ...] = ()


class Reloader:
    """Reloads whenever it is wished, or the content of a secret file has changed.

    Args:
        crew: The processes.
        configuration: What they were begun with.
        read: Reads everything anew.
        requests: Hears those who ask over the store.
    """

    def __init__(
        self, crew: Crew, configuration: Configuration, read: Read, requests: Requests
    ) -> None:
        self._crew = crew
        self._first = configuration
        self._taken = configuration
        self._read = read
        self._requests = requests
        self._files = SecretFiles()

    async def run(self, wishes: Wishes) -> None:
        """Reload for ever, one reload at a time."""
        await self._listen()
        while True:
            wish = await wishes.next_reload(LOOK_SECONDS)
            try:
                await (self._look() if wish is None else self._fulfil(wish))
            except Exception as error:  # noqa: BLE001 - the edge: a bug must not end the gateway
                _log.error("reload_failed", error=type(error).__name__, frames=frames(error))

    async def _fulfil(self, wish: Wish) -> None:
        ended = Ended("failed")
        try:
            ended = await self._guarded(self._read_anew)
        finally:
            # Also where the gateway ends meanwhile: nobody is to wait for it.
            for asked in wish.asked:
                await asked.answer(ended.outcome, ended.faults)
        # Only now: who asked waits for the answer where he asked.
        await self._listen()

    async def _look(self) -> None:
        """Take secrets over that have changed, and nothing else of what may have changed."""
        texts = self._files.look(self._taken.secrets)
        if texts is None:
            return
        files = sorted(path for path, text in texts.items() if text != self._taken.secrets[path])
        _log.info("secrets_changed", files=files)
        ended = await self._guarded(lambda: self._taken.with_secrets(texts))
        if ended.outcome == "failed":
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._files.forget)
        await self._listen()

    async def _listen(self) -> None:
        settings = self._taken.settings
        await self._requests.listen_at(settings.redis_url, settings.keys)

    async def _guarded(self, read: Read) -> Ended:
        try:
            await self._take_over(read())
        except ConfigurationFault as error:
            _log.error("reload_refused", faults=list(error.faults))
            return Ended("refused", error.faults)
        except (RelayError, OSError) as error:
            _log.error("reload_failed", error=type(error).__name__)
            return Ended("failed")
        return Ended("taken_over")

    def _read_anew(self) -> Configuration:
        configuration = self._read()
        self._taken.refuse_emptied(configuration)
        settings = configuration.settings
        for name in FIXED_SETTINGS:
            if getattr(settings, name) != getattr(self._first.settings, name):
                _log.warning("reload_needs_restart", setting=name)
        warn_of_settings(settings, configuration.environ)
        return configuration

    async def _take_over(self, configuration: Configuration) -> None:
        settings = configuration.settings
        _log.info("reloading", processes=settings.processes)
        await self._crew.replace(configuration)
        self._taken = configuration
        _log.info("reloaded", processes=settings.processes)
