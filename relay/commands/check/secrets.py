"""Judges the endpoints' secrets: which count, and whether one is there that nobody needs.

Endpoints, the time and what the store says of their use come in, findings go out.
"""

import time
from collections.abc import Iterator, Mapping
from hmac import compare_digest
from itertools import combinations

from relay.commands.check.books import wrong_key
from relay.commands.secrets.known import Known, read_book, read_known
from relay.commands.secrets.words import say_used
from relay.commands.store import Store
from relay.contract.display import time_text
from relay.contract.printable import printable
from relay.contract.registry import WrongType
from relay.endpoint import Endpoint, Secret
from relay.endpoints import EndpointSection
from relay.finding import Finding
from relay.usage import EndpointUsage

# No sender sends again what it signed so long ago.
UNUSED_MS = 7 * 24 * 3600 * 1000

_RENEW = "`relay secrets rotate {name}` puts a new one beside it"
_FINISH = "take it away: `relay secrets rotate {name} --finish`"


def judge_secrets(endpoints: Mapping[str, Endpoint], now_ms: int | None = None) -> list[Finding]:
    """Name secrets that count no more or not yet, or twice, and endpoints that ask for none.

    Args:
        endpoints: By name, with their secrets.
        now_ms: Ms since the epoch; the clock's by default.
    """
    at_ms = _now_ms() if now_ms is None else now_ms
    return [
        finding for name, endpoint in endpoints.items() for finding in _judge(name, endpoint, at_ms)
    ]


async def check_secrets(
    store: Store, sections: Mapping[str, EndpointSection], environ: Mapping[str, str]
) -> list[Finding]:
    """Name old secrets that nobody has used for long while a newer one is used.

    Args:
        store: Where the use of secrets is written down.
        sections: Tables of endpoints by name.
        environ: Variables that hold secrets.
    """
    findings: list[Finding] = []
    for name, section in sections.items():
        knowns = read_known(section, environ)
        if len(knowns) < 2:
            continue
        try:
            findings += _judge_use(name, knowns, await read_book(store, name), _now_ms())
        except WrongType as error:
            findings.append(wrong_key(error))
    return findings


def _judge(name: str, endpoint: Endpoint, now_ms: int) -> Iterator[Finding]:
    for secret in endpoint.secrets:
        if not secret.counts_at(now_ms):
            yield _finding(name, *_out_of_time(name, secret, now_ms))
    if endpoint.secrets and not endpoint.secrets_at(now_ms):
        found = "no secret counts now, so every delivery is refused"
        yield _finding(name, found, _RENEW.format(name=name), fails=True)
    for one, other in combinations(endpoint.secrets, 2):
        if compare_digest(one.reveal(), other.reveal()):
            found = f"{printable(one.name)} and {printable(other.name)} hold the same secret"
            yield _finding(name, found, "give the newer one a new secret, or take one away")
    if endpoint.dry_run:
        found = "dry_run takes what proves nothing, from anyone who knows the URL"
        yield _finding(name, found, "end it when the sender's deliveries are proved")


def _out_of_time(name: str, secret: Secret, now_ms: int) -> tuple[str, str]:
    if secret.not_before_ms is not None and now_ms < secret.not_before_ms:
        begin = time_text(secret.not_before_ms)
        return f"{printable(secret.name)} does not count before {begin}", ""
    end = time_text(secret.not_after_ms or 0)
    return f"{printable(secret.name)} counts no more since {end}", _FINISH.format(name=name)


def _judge_use(
    name: str, knowns: tuple[Known, ...], usage: EndpointUsage, now_ms: int
) -> Iterator[Finding]:
    for number, known in enumerate(knowns[1:], 1):
        newer = [used for each in knowns[:number] if (used := each.used(usage))]
        used = known.used(usage)
        since_ms = now_ms - UNUSED_MS
        is_replaced = any(each.first_ms < since_ms < each.last_ms for each in newer)
        if is_replaced and (used is None or used.last_ms < since_ms):
            found = f"{printable(known.name)} was {say_used(used, now_ms)}, and a newer one is used"
            yield _finding(name, found, _FINISH.format(name=name))


def _finding(name: str, found: str, advice: str, *, fails: bool = False) -> Finding:
    return Finding("fail" if fails else "warn", "secrets", f"endpoints.{name}: {found}", advice)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
