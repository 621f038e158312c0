"""An endpoint at a glance: its table and its book in, a state and the facts for it out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from relay.commands.edit.render import value_text
from relay.commands.endpoints.following import registered_url
from relay.contract.display import time_text
from relay.contract.printable import printable
from relay.endpoints import EndpointSection
from relay.usage import EndpointUsage, Outcome, SecretUsage, together

State = Literal[
    "not configured", "not loaded", "never heard of", "silent", "refusing", "dry run", "receiving"
]

# A gateway says every minute what it has, and writes that within two seconds; one may be missed.
LOADED_MS = 150 * 1000
# Senders that say nothing for a day have either nothing to say or another URL.
SILENT_MS = 24 * 3600 * 1000
TAKEN = ("stored", "duplicate", "filtered", "spooled", "handshake")
# Beside what became of a delivery, the book says here what would have, without the dry run.
DRY_RUN = "dry_run:"
# Anybody who opens the URL in a browser makes one; it says nothing of the sender.
NOT_THE_SENDER = "method_not_allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What is known of an endpoint.

    Args:
        name: Its name.
        section: Its table; none where it is in the store and not configured here.
        usage: Its book.
        types: The types of event that it has streams for.
        now_ms: What is now, ms since the epoch.
        refusal: Id of the newest row of its refusal log; empty where none was asked for or is.
    """

    name: str
    section: EndpointSection | None
    usage: EndpointUsage
    types: Sequence[str]
    now_ms: int
    refusal: str = ""

    @property
    def state(self) -> State:
        """The first of its states that is so."""
        received, loaded_ms = self.received, self.usage.loaded_ms
        if self.section is None:
            return "not configured"
        if loaded_ms is None or self.now_ms - loaded_ms > LOADED_MS:
            return "not loaded"
        if received is None:
            return "never heard of"
        if self.now_ms - received.last_ms > SILENT_MS:
            return "silent"
        if self._was_refused_last:
            return "refusing"
        return "dry run" if self.section.dry_run else "receiving"

    @property
    def received(self) -> Outcome | None:
        """Deliveries of all kinds."""
        return together(self._outcomes.values())

    @property
    def refused(self) -> Outcome | None:
        """Those that were refused, for whatever reason."""
        return together(self._refusals.values())

    @property
    def reason(self) -> str | None:
        """Why the last one was refused."""
        refusals = self._refusals
        return max(refusals, key=lambda reason: refusals[reason].last_ms) if refusals else None

    @property
    def secret(self) -> SecretUsage | None:
        """The secret that proved a delivery last."""
        return max(self.usage.secrets, key=lambda each: each.used.last_ms, default=None)

    @property
    def _outcomes(self) -> Mapping[str, Outcome]:
        return {
            name: outcome
            for name, outcome in self.usage.outcomes.items()
            if not name.startswith(DRY_RUN) and name != NOT_THE_SENDER
        }

    @property
    def _refusals(self) -> Mapping[str, Outcome]:
        return {name: used for name, used in self._outcomes.items() if name not in TAKEN}

    @property
    def _was_refused_last(self) -> bool:
        received, refused = self.received, self.refused
        taken = [used for name, used in self._outcomes.items() if name in TAKEN]
        last_taken_ms = max((used.last_ms for used in taken), default=0)
        return bool(received and refused and refused.last_ms > last_taken_ms)


def row_of(glance: Glance) -> dict[str, object]:
    """Give what a list shows of an endpoint, times as RFC 3339."""
    section, stored = glance.section, glance.usage.outcomes.get("stored")
    return {
        "endpoint": glance.name,
        "provider": section.provider if section else None,
        "state": glance.state,
        "last_received": _last(glance.received),
        "last_stored": _last(stored),
        "stored": stored.count if stored else 0,
        "refused": glance.refused.count if glance.refused else 0,
        "last_refused": _last(glance.refused),
        "reason": glance.reason,
        "secret": glance.secret.name if glance.secret else None,
    }


def _url(name: str, section: EndpointSection) -> str:
    return registered_url(name, section.public_url, section.kind.scheme.secret_parameter)


def details_of(glance: Glance) -> dict[str, object]:
    """Give all that is known of an endpoint."""
    section, usage = glance.section, glance.usage
    return {
        **row_of(glance),
        "says": sentence(glance),
        "loaded": time_text(usage.loaded_ms) if usage.loaded_ms else None,
        "url": _url(glance.name, section) if section else None,
        "types": list(glance.types),
        "filters": _filters(section),
        "outcomes": [_used(name, used) for name, used in sorted(usage.outcomes.items())],
        "secrets": [
            _used(each.name, each.used) | {"fingerprint": each.fingerprint}
            for each in sorted(usage.secrets, key=lambda each: -each.used.last_ms)
        ],
        "last_rejection": glance.refusal or None,
    }


def sentence(glance: Glance) -> str:
    """Say what the state means, and what to do."""
    name, state = glance.name, glance.state
    explained = f"`relay rejections explain {glance.refusal}` says why." if glance.refusal else ""
    says: dict[State, str] = {
        "not configured": "It is in the store, and not in this configuration.",
        "not loaded": "No gateway that uses this store has it now: `relay serve`, or `relay "
        "reload` where one runs.",
        "never heard of": "Nothing has come in yet. Is the URL registered at the "
        f"sender? `relay endpoints test {name}` asks the gateway.",
        "silent": f"Nothing has come in since {_last(glance.received)}.",
        "refusing": f"The last delivery was refused: {printable(glance.reason)}. {explained}",
        "dry run": "What proves nothing is stored too, marked `assurance = none`.",
        "receiving": f"The last delivery came in at {_last(glance.received)}.",
    }
    return says[state].strip()


def _last(used: Outcome | None) -> str | None:
    return time_text(used.last_ms) if used else None


def _used(name: str, used: Outcome) -> dict[str, object]:
    return {
        "name": name,
        "count": used.count,
        "first": time_text(used.first_ms),
        "last": time_text(used.last_ms),
    }


def _filters(section: EndpointSection | None) -> list[str]:
    """Write down what keeps events out, as it stands in the file."""
    if section is None:
        return []
    said = section.model_dump(include={"accounts", "event_types"}, exclude_defaults=True)
    rules = [rule.model_dump(exclude_unset=True, by_alias=True) for rule in section.filters]
    return [
        *(f"{key} = {value_text(value)}" for key, value in said.items()),
        *(value_text(rule) for rule in rules),
    ]
