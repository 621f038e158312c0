"""Judges the streams' caps: those that can be reached before trimming helps, and those that are.

Settings and the streams' sizes come in, findings go out.
"""

from collections.abc import Mapping

from relay.capacity import STOP_RATIO
from relay.commands import catalog
from relay.commands.sizes import StreamSize, measure
from relay.commands.store import Store
from relay.contract.caps import PRESSED_RATIO, Cap, Caps
from relay.contract.patterns import Pattern, parse_pattern
from relay.contract.printable import printable
from relay.endpoints import EndpointSection
from relay.finding import Finding, State

# What a dead worker had read holds a stream until it is taken over: fifteen seconds, and as long
# again for a busy machine.
HELD_SECONDS = 30.0
# What an event takes at least, with all that is written beside its body.
LEAST_EVENT_BYTES = 512


def judge_caps(caps: Caps, endpoints: Mapping[str, EndpointSection]) -> list[Finding]:
    """Say which caps are reached, at the expected rate, before trimming can help.

    Trimming begins at 70 % of a cap, and can remove only what is settled.
    """
    findings = []
    for pattern, cap in caps:
        rate = sum(
            endpoint.events_per_second
            for name, endpoint in endpoints.items()
            if pattern.means_endpoint(name)
        )
        seconds = _seconds_left(cap, rate)
        if seconds is not None and seconds < HELD_SECONDS:
            findings.append(_too_small(pattern, rate, seconds))
    return findings


async def check_caps(store: Store) -> list[Finding]:
    """Say which streams are near their caps or at them, and which caps are never reached."""
    found = await catalog.streams(store, [parse_pattern("*:*")], wrong=[])
    sizes = await measure(store, found)
    near = [size for size in sizes if size.fill >= PRESSED_RATIO]
    findings = [_near(size) for size in sorted(near, key=lambda size: -size.fill)]
    store_bytes = sizes[0].store_bytes if sizes else 0
    findings += [
        _too_large(pattern, cap.max_bytes)
        for pattern, cap in store.settings.stream_caps
        if store_bytes and cap.max_bytes and cap.max_bytes >= STOP_RATIO * store_bytes
    ]
    if findings or not sizes:
        return findings
    fullest = max(sizes, key=lambda size: size.fill)
    return [Finding("ok", "stream caps", f"{_name(fullest)} is the fullest, {fullest.fill:.0%}")]


def _seconds_left(cap: Cap, rate: float) -> float | None:
    """Say how long it takes from where trimming begins to the cap; nothing without a bound."""
    bounds = [cap.max_entries] if cap.max_entries else []
    bounds += [cap.max_bytes // LEAST_EVENT_BYTES] if cap.max_bytes else []
    if not bounds or not rate:
        return None
    return (1 - PRESSED_RATIO) * min(bounds) / rate


def _too_small(pattern: Pattern, rate: float, seconds: float) -> Finding:
    return Finding(
        "warn",
        "stream caps",
        f"{pattern} can be full {seconds:.1f} s after trimming begins, at {rate:g} events/s "
        "(events_per_second)",
        f"raise it to hold {HELD_SECONDS:g} s: so long a dead worker's entries may hold a stream",
    )


def _too_large(pattern: Pattern, max_bytes: int) -> Finding:
    return Finding(
        "warn",
        "stream caps",
        f"{pattern}: max_bytes {max_bytes} is never reached",
        f"lower it: ingress stops for all types at {STOP_RATIO:.0%} of the store's memory",
    )


def _near(size: StreamSize) -> Finding:
    is_full, drops = size.fill >= 1.0, size.cap.on_full == "drop_oldest"
    what = "its oldest entries are dropped" if drops else "new events of this type get 503"
    if not is_full:
        what = f"when it is full, {what}"
    advice = "see `relay groups` for what is not settled; let workers catch up, or raise its cap"
    state: State = "fail" if is_full and not drops else "warn"
    return Finding(state, "stream caps", f"{_name(size)} is {size.fill:.0%} full: {what}", advice)


def _name(size: StreamSize) -> str:
    return printable(f"{size.stream.tag}:{size.stream.event_type}")
