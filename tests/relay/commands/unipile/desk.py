"""A terminal beside a stand-in Unipile, with gateways that answer and count as real ones do."""

import asyncio
import json
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis
from typer.testing import Result

from relay.contract.keys import Keys
from relay.endpoint import Secret
from relay.unipile.stand_in import Endpoint, StandIn
from relay.usage.write import holds
from tests.relay.commands.conftest import Relay
from tests.servers import Server

KEY = "key-of-the-test"
URL = "https://hooks.example.com/webhooks/unipile"
KEYS = Keys()


@dataclass
class Desk:
    """Runs commands, and looks at what they have left.

    Args:
        relay: Runs a command.
        unipile: The stand-in.
        server: The store.
        directory: Where ``relay.toml`` is, and where commands are run.
        outcome: What gateways say to a reload; nothing where it is empty.
        held: From the endpoint's secrets in `relay.toml`, those that each process of a gateway then
            says it holds.
        began_ms: What the gateways' clocks say, ms since the epoch.
    """

    relay: Relay
    unipile: StandIn
    server: Server
    directory: Path
    outcome: str = "taken_over"
    held: Callable[[list[str]], Iterable[list[str]]] = lambda named: [named]
    began_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    async def run(self, *arguments: str) -> Result:
        """Run ``relay unipile``, which shows no secret whatever happens."""
        # What is only at Unipile needs no store.
        store = () if arguments[0] == "endpoints" else ("--redis-url", self.server.url)
        done = await asyncio.to_thread(
            self.relay,
            "unipile",
            *arguments,
            *store,
            "--api-seconds",
            "1",
            UNIPILE_API_KEY=KEY,
            UNIPILE_API_URL=self.unipile.url,
        )
        for secret in (KEY, *self.secrets(), *(each.secret for each in self.there)):
            assert secret not in done.output
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    async def connect(self, *options: str) -> Result:
        """Connect without a look at the URL, and without waiting."""
        return await self.run(
            "connect", "--public-url", URL, "--unchecked", "--wait", "0", *options
        )

    async def rotate(self, *options: str) -> Result:
        """Go on with a rotation, or begin one."""
        return await self.run("rotate", *options)

    @property
    def there(self) -> list[Endpoint]:
        """Unipile's endpoints, the oldest first."""
        return list(self.unipile.endpoints.values())

    def references(self) -> list[dict[str, Any]]:
        """What ``relay.toml`` says of the endpoint's secrets."""
        path = self.directory / "relay.toml"
        toml = tomllib.loads(path.read_text()) if path.exists() else {}
        found: list[dict[str, Any]] = (
            toml.get("endpoints", {}).get("unipile", {}).get("secrets", [])
        )
        return found

    def secrets(self) -> list[str]:
        """The secrets that ``relay.toml`` names, the newest first."""
        return [Path(each["file"]).read_text().strip() for each in self.references()]

    def files(self) -> list[str]:
        """The secrets that lie in files, named or not."""
        return sorted(path.read_text().strip() for path in self.directory.glob("*.secret"))

    def have_proved(self, endpoint: Endpoint) -> None:
        """Count a delivery as a gateway does that has the endpoint's secret."""
        number = self.secrets().index(endpoint.secret)
        name = f"file:{self.references()[number]['file']}"
        fingerprint = Secret(endpoint.secret, name).fingerprint
        with self.server.client() as client:
            said = f"1 {self.began_ms} {self.began_ms}"
            client.hset(KEYS.usage("unipile"), f"secret:{name}#{fingerprint}", said)
            client.expire(KEYS.usage("unipile"), 600)

    def say_held(self, client: Redis) -> None:
        """Write into the book which secrets processes hold, as they do when they have begun."""
        book = KEYS.usage("unipile")
        for secrets in self.held(self.secrets()):
            name = holds(Secret(each, "") for each in secrets)
            before: Any = client.hget(book, name)
            count = 1 + int(before.split()[0] if before else 0)
            # Of several clocks the book has the latest time, which this one may be behind.
            client.hset(book, name, f"{count} {self.began_ms} {self.began_ms}")
            client.expire(book, 600)

    @contextmanager
    def gateways(self) -> Iterator[None]:
        """Have a gateway that answers every request to reload with `outcome`, within the block."""

        def answer() -> None:
            read_to: Any = "0"
            with self.server.client() as client:
                while not over.is_set():
                    batch: Any = client.xread({KEYS.control: read_to}, block=50)
                    for entry_id, fields in batch[0][1] if batch else ():
                        read_to = entry_id
                        if fields.get(b"what") == b"reload" and self.outcome:
                            if self.outcome == "taken_over":
                                self.say_held(client)
                            said: dict[Any, Any] = {"request": fields[b"request"]}
                            said |= {"what": "reload-answer", "gateway": "one"}
                            said |= {"host": "web-1", "pid": 7, "outcome": self.outcome}
                            faults = [] if self.outcome == "taken_over" else ["a fault"]
                            said |= {"faults": json.dumps(faults)}
                            client.xadd(KEYS.control, said)

        over = threading.Event()
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class Before:
    """How everything was, to begin there again.

    Args:
        desk: Whose endpoints and files.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._endpoints = desk.unipile.endpoints
        self._files = {path: path.read_bytes() for path in self._paths()}

    def restore(self) -> None:
        """Have it so again."""
        self._desk.unipile._books.endpoints._all = dict(self._endpoints)
        for path in self._paths():
            path.unlink()
        for path, content in self._files.items():
            path.write_bytes(content)

    def _paths(self) -> list[Path]:
        return [*self._desk.directory.glob("*.secret"), *self._desk.directory.glob("relay.toml")]


async def begun(desk: Desk) -> tuple[Endpoint, Endpoint]:
    """Connect and begin to rotate, and give both endpoints."""
    await desk.connect("--account", "acc_1", "--description", "Relay")
    done = await desk.rotate()
    assert done.exit_code == 0, done.output
    first, second = desk.there
    return first, second
