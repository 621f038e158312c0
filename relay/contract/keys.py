"""Every key of the store, made in one place.

An endpoint's name comes in, key names go out. All keys of an endpoint (or of one of its
partitions) carry the same hash tag and so share a Redis Cluster slot. ``@`` marks books: it
cannot occur in an event type, so no type can collide with one.

Source: Redis Cluster specification, hash tags; docs/adr/0009.
"""

import re
import zlib
from dataclasses import dataclass

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
EVENT_TYPE = re.compile(r"[A-Za-z0-9._:/-]{1,128}")
UNIDENTIFIED = "unidentified"
OWN_TYPES = "relay."
# Begins the name that the books have for a stream of entries given again; no type begins so.
AGAIN = "@again:"


def is_name(text: str) -> bool:
    """Tell whether a text may name an endpoint or a consumer group."""
    return NAME.fullmatch(text) is not None


def is_event_type(text: str) -> bool:
    """Tell whether a sender's event type may name a stream as it is.

    Types of our own making (``unidentified``, ``relay.…``) are not taken from outside.
    """
    return (
        EVENT_TYPE.fullmatch(text) is not None
        and text != UNIDENTIFIED
        and not text.startswith(OWN_TYPES)
    )


def tag_of(endpoint: str, partitions: int, key: str) -> str:
    """Say which tag holds an event: the endpoint, or one of its partitions.

    Args:
        endpoint: Name of the endpoint.
        partitions: How many partitions the endpoint has, 1 or more.
        key: What keeps together what belongs together: the account, or the event id.

    Returns:
        ``endpoint``, or ``endpoint#n`` with n = CRC-32 of the key modulo ``partitions``.
    """
    if partitions == 1:
        return endpoint
    return f"{endpoint}#{zlib.crc32(key.encode('utf-8', 'replace')) % partitions}"


def tags_of(endpoint: str, partitions: int) -> list[str]:
    """List all tags of an endpoint."""
    if partitions == 1:
        return [endpoint]
    return [f"{endpoint}#{number}" for number in range(partitions)]


def endpoint_of(tag: str) -> str:
    """Give the endpoint of a tag, its partition left out."""
    return tag.partition("#")[0]


def member(entry_id: str, event_type: str) -> str:
    """Name an entry in the workers' books.

    An entry id is unique only within its stream, so the type is part of the name; zero-padding
    makes members of equal score sort by age.

    Args:
        entry_id: The entry's id.
        event_type: The type, or what else the books call the stream (`Stream.book_name`).

    Returns:
        ``<ms padded to 20>-<seq padded to 20>|<type>``.
    """
    ms, _, seq = entry_id.partition("-")
    return f"{ms:0>20}-{seq or '0':0>20}|{event_type}"


def made_at(entry_id: str) -> float:
    """Give the time at which an entry was made, in seconds since the epoch."""
    return int(entry_id.partition("-")[0]) / 1000


def entry_of(name: str) -> tuple[str, str]:
    """Undo `member`: give the entry id and the event type."""
    padded, _, event_type = name.partition("|")
    ms, _, seq = padded.partition("-")
    return f"{int(ms)}-{int(seq)}", event_type


@dataclass(frozen=True, slots=True)
class Keys:
    """Makes the keys under one prefix.

    Args:
        prefix: What every key begins with; several relays may share a server by it.
    """

    prefix: str = "relay"

    # An endpoint's (or partition's) streams and books.

    def stream(self, tag: str, event_type: str) -> str:
        """Stream: the events of one type."""
        return f"{self.prefix}:{{{tag}}}:{event_type}"

    def streams(self, tag: str) -> str:
        """Hash: type -> ``<number> <first entry id>`` of this incarnation of the stream."""
        return f"{self.prefix}:{{{tag}}}@streams"

    def groups(self, tag: str) -> str:
        """Hash: configured group -> ``<ms of the last confirmation> <patterns>``."""
        return f"{self.prefix}:{{{tag}}}@groups"

    def seen(self, tag: str, kind: str) -> str:
        """Hash with TTL: the book of the dedupe index of one kind of identity.

        The index's buckets have names that begin with this and a colon, made by the script.
        """
        return f"{self.prefix}:{{{tag}}}@seen:{kind}"

    def seen_none(self, tag: str, kind: str) -> str:
        """Like `seen`, for events of which nothing was proved."""
        return f"{self.prefix}:{{{tag}}}@seen-none:{kind}"

    def rejected(self, tag: str) -> str:
        """Capped stream: refused deliveries."""
        return f"{self.prefix}:{{{tag}}}@rejected"

    def rejected_books(self, tag: str) -> str:
        """Hash with TTL: how much the refusal log holds, and was written to it just now."""
        return f"{self.prefix}:{{{tag}}}@rejected:books"

    def accepted(self, tag: str, day: int) -> str:
        """Hash with TTL: which rows of the refusal log were accepted, of those of one day."""
        return f"{self.prefix}:{{{tag}}}@rejected:accepted:{day}"

    def usage(self, tag: str) -> str:
        """Hash with TTL: what an endpoint's deliveries came to, and which secrets proved them."""
        return f"{self.prefix}:{{{tag}}}@usage"

    def reconciled(self, tag: str) -> str:
        """Hash with TTL: what the last comparison with the sender's own log came to."""
        return f"{self.prefix}:{{{tag}}}@reconciled"

    def gaps(self, tag: str) -> str:
        """Hash: account -> its changes of status, and the gaps in which it was away."""
        return f"{self.prefix}:{{{tag}}}@gaps"

    def accounts(self, tag: str) -> str:
        """Hash: account -> its status now."""
        return f"{self.prefix}:{{{tag}}}@accounts"

    def batch(self, tag: str, batch_id: str) -> str:
        """String with TTL: the whole body of a delivery that was split."""
        return f"{self.prefix}:{{{tag}}}@batch:{batch_id}"

    def fence(self, tag: str) -> str:
        """String: written before waiting for replicas, and to see whether writes are taken."""
        return f"{self.prefix}:{{{tag}}}@fence"

    # The books of one group within a tag.

    def dead(self, tag: str, group: str) -> str:
        """Stream: the group's dead letters."""
        return f"{self.prefix}:{{{tag}}}@dead:{group}"

    def again(self, tag: str, group: str, event_type: str) -> str:
        """Stream: redriven, replayed and long-delayed entries of this group only."""
        return f"{self.prefix}:{{{tag}}}@again:{group}:{event_type}"

    def replay(self, tag: str, group: str, name: str) -> str:
        """Hash with TTL: what a replay means, and how far it has come."""
        return f"{self.prefix}:{{{tag}}}@replay:{group}:{name}"

    def later(self, tag: str, group: str) -> str:
        """Stream: retries that wait long."""
        return f"{self.prefix}:{{{tag}}}@later:{group}"

    def later_due(self, tag: str, group: str) -> str:
        """Sorted set: when each entry of `later` is due, in ms."""
        return f"{self.prefix}:{{{tag}}}@later-due:{group}"

    def park(self, tag: str, group: str) -> str:
        """Sorted set: when each parked entry is due, in ms."""
        return f"{self.prefix}:{{{tag}}}@park:{group}"

    def attempts(self, tag: str, group: str) -> str:
        """Hash: what is known of an entry that has failed before."""
        return f"{self.prefix}:{{{tag}}}@attempts:{group}"

    def strikes(self, tag: str, group: str) -> str:
        """Hash: how often an entry was taken over, and how often its process died handling it."""
        return f"{self.prefix}:{{{tag}}}@strikes:{group}"

    def lane(self, tag: str, group: str, event_type: str) -> str:
        """Sorted set: entries of an ordered stream that wait, by lane and then by age."""
        return f"{self.prefix}:{{{tag}}}@lane:{group}:{event_type}"

    def owner(self, tag: str, group: str, event_type: str) -> str:
        """Hash: who reads an ordered stream, with the fencing number."""
        return f"{self.prefix}:{{{tag}}}@owner:{group}:{event_type}"

    def once(self, tag: str, group: str, name: str) -> str:
        """Hash with TTL: the steps of an event that run once, or the reply of a commit.

        Steps are under the event's identity, a commit under the entry's name in the books.
        """
        return f"{self.prefix}:{{{tag}}}@once:{group}:{name}"

    def effects(self, tag: str, group: str, name: str) -> str:
        """Of any type: what the group's own scripts keep beside its events."""
        return f"{self.prefix}:{{{tag}}}@effects:{group}:{name}"

    def lease_sweep(self, tag: str, group: str) -> str:
        """String with TTL: who takes over the entries of dead consumers."""
        return f"{self.prefix}:{{{tag}}}@lease:sweep:{group}"

    def lease_park(self, tag: str, group: str) -> str:
        """String with TTL: who compared the parked entries with their due times last."""
        return f"{self.prefix}:{{{tag}}}@lease:park:{group}"

    def lease_trim(self, tag: str) -> str:
        """String with TTL: who trims the streams."""
        return f"{self.prefix}:{{{tag}}}@lease:trim"

    def lease_later(self, tag: str, group: str) -> str:
        """String with TTL: who moves entries of `later` that are due."""
        return f"{self.prefix}:{{{tag}}}@lease:later:{group}"

    # Books of the whole relay.

    @property
    def tags(self) -> str:
        """Set: every tag, for discovery."""
        return f"{self.prefix}:@tags"

    @property
    def control(self) -> str:
        """Capped stream: wakes readers."""
        return f"{self.prefix}:@control"

    @property
    def secrets_pending(self) -> str:
        """Hash with TTL: secrets that came by a handshake and wait for an operator."""
        return f"{self.prefix}:@secrets:pending"

    def lease_metrics(self, group: str) -> str:
        """String with TTL: who looks up what is shown of a group beside its counts."""
        return f"{self.prefix}:@lease:metrics:{group}"

    @property
    def paused(self) -> str:
        """Hash: what is paused."""
        return f"{self.prefix}:@paused"

    def alive(self, group: str, consumer: str) -> str:
        """String with TTL: the heartbeat of one worker process."""
        return f"{self.prefix}:@alive:{group}:{consumer}"
