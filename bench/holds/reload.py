"""Reloads under load, wanted in each of three ways: what senders saw and what counted out.

In turn the gateway gets SIGHUP, is asked by ``relay reload``, and finds another secret in a file.
Every delivery must be answered 200 and stored once, as if nothing had been; and after each change
of the secret the new one must count, and the one before no more.
"""

import hashlib
import hmac
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path

from bench.failures import ProgramFailed
from bench.gateway import Gateway, gateway
from bench.holds.census import Census
from bench.holds.configured import add_deadline, configure
from bench.holds.judging import judge, options
from bench.holds.numbered import body
from bench.holds.record import Record
from bench.holds.renewing import LOOK_SECONDS, Renewing, add_load, judge_unharmed, send
from bench.processes import environment
from bench.store import Store, durable, store
from bench.unipile import secret_of

_RELOADED_SECONDS = 60.0
_TURNING = "turning.secret"
# The load's secret stays; what turns is that of an endpoint beside it, which each process has too.
_ENDPOINTS = f"""
[endpoints.unipile]
provider = "unipile"
secrets = [{{ env = "KEPT" }}]
[endpoints.turning]
provider = "unipile"
secrets = [{{ file = "{_TURNING}" }}]
"""


@dataclass(slots=True)
class Reloading:
    """A gateway that is reloaded.

    Args:
        record: Takes a line for each reload.
        directory: Where the gateway runs.
        relay: The gateway.
        redis: Its store.
        secret: What the file holds.
        refusals: What ``relay reload`` said where it did not end with 0.
        wrong: Changes after which the new secret did not count, or the one before still did.
    """

    record: Record
    directory: Path
    relay: Gateway
    redis: Store
    secret: str
    refusals: list[str] = field(default_factory=list)
    wrong: int = 0

    def reload(self, number: int) -> None:
        """Have it reload in one of the three ways, and return when that is done."""
        ways = {"signal": self._signal, "command": self._ask, "secret": self._turn}
        way = list(ways)[number % len(ways)]
        started, before = time.monotonic(), self._reloaded()
        secret = self.secret
        ways[way]()
        self._until_reloaded(before)
        self.record.say("reload", number=number, way=way, seconds=_since(started))
        if way == "secret":
            told = self._try(number, self.secret), self._try(number, secret)
            self.wrong += told != (200, 401)

    def _signal(self) -> None:
        os.kill(self.relay.pid, signal.SIGHUP)

    def _ask(self) -> None:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "relay"), "reload", "--redis-url", self.redis.url],
            cwd=self.directory,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self.refusals.append((done.stdout + done.stderr).strip())

    def _turn(self) -> None:
        self.secret = f"{self.secret[:20]}{time.monotonic_ns()}"
        _write(self.directory, self.secret)

    def _reloaded(self) -> int:
        return self.relay.program.log.read_text("utf-8").count('"reloaded"')

    def _until_reloaded(self, before: int) -> None:
        deadline = time.monotonic() + _RELOADED_SECONDS
        while self._reloaded() == before:
            if time.monotonic() > deadline:
                said = self.relay.program.log.read_text("utf-8", "replace")[-2000:]
                raise ProgramFailed(f"not reloaded in time. The gateway's log ends:\n{said}")
            time.sleep(LOOK_SECONDS)

    def _try(self, number: int, secret: str) -> int:
        """Send a delivery with a secret, and give the status."""
        sent, signed_at = body(number), f"{time.time():.0f}"
        digest = hmac.new(secret.encode(), f"{signed_at}.".encode() + sent, hashlib.sha256)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.relay.port}/webhooks/turning",
            sent,
            {"unipile-signature": f"t={signed_at},v0={digest.hexdigest()}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


def measure(record: Record, given: Namespace, directory: Path) -> None:
    """Send, reload the gateway again and again, and judge what senders saw and what counted."""
    configure(directory, given, _ENDPOINTS)
    secret = secret_of("turning")
    _write(directory, secret)
    kept = {"KEPT": secret_of("unipile")}
    with (
        store(directory, durable("everysec")) as redis,
        gateway(directory, redis.port, processes=given.processes, secrets=kept) as relay,
    ):
        reloading = Reloading(record, directory, relay, redis, secret)
        tally = send(given, Renewing(relay.port, given.reloads, reloading.reload))
        census = Census(redis.client)
        census.read_on()
    judge_unharmed(record, f"{given.reloads} reloads", tally, census)
    _judge_ways(record, given, reloading)


def _judge_ways(record: Record, given: Namespace, reloading: Reloading) -> None:
    asked, turned = (given.reloads + 1) // 3, given.reloads // 3
    record.judge(
        "`relay reload` ends with 0 each time",
        f"{len(reloading.refusals)} of {asked} did not: {sorted(set(reloading.refusals))}",
        bound="none",
        holds=not reloading.refusals,
    )
    record.judge(
        "after each change of a secret file the new secret counts, and the one before no more",
        f"{reloading.wrong} of {turned} otherwise",
        bound="none",
        holds=not reloading.wrong,
    )


def _write(directory: Path, secret: str) -> None:
    (directory / _TURNING).write_text(f"{secret}\n", "utf-8")


def _since(started: float) -> float:
    return round(time.monotonic() - started, 2)


def main() -> int:
    """Read the options and run."""
    parser = options("What senders see while the gateway reloads, whoever wants it.")
    parser.add_argument("--reloads", type=int, default=100)
    add_load(parser, every=1)
    add_deadline(parser)
    return judge("reload", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
