"""What a gateway counts: names, labels and bounds, declared once for all its processes.

Source: docs/reference/metrics.md.
"""

from relay.contract.tally import Families, Family

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

DELIVERIES = Family(
    "relay_deliveries",
    "Deliveries answered, by outcome: stored, duplicate, filtered, handshake, or a reason",
    ("endpoint", "outcome"),
)
MISPLACED = Family(
    "relay_misplaced_events",
    "Events stored as unidentified because their endpoint has too many types, or new ones",
    ("endpoint",),
)
CHANGED_BODIES = Family(
    "relay_changed_bodies",
    "Known event ids that came with another body, which was dropped",
    ("endpoint",),
)
FILTERED = Family(
    "relay_filtered_events",
    "Events that their endpoint's configuration drops, by its rule",
    ("endpoint", "rule"),
)
DIVERTED = Family(
    "relay_diverted_events",
    "Events that a rule of their endpoint gives another type",
    ("endpoint", "rule"),
)
DROPPED = Family(
    "relay_dropped_entries",
    "Entries dropped from streams at their caps, as their operator chose",
    ("endpoint",),
)
DROPPED_UNSETTLED = Family(
    "relay_dropped_unsettled_entries",
    "Dropped entries that some group of their stream had not settled",
    ("endpoint",),
)
CLOSED_CONNECTIONS = Family(
    "relay_closed_connections", "Connections closed to make room for new ones", ("state",)
)
SPOOLED = Family("relay_spooled_events", "Events that went to the spool", ("endpoint",))
DRAINED = Family(
    "relay_drained_events", "Events that went from the spool into their streams", ("endpoint",)
)
SPOOL_FAILURES = Family(
    "relay_spool_failures",
    "What went wrong with the spool: disk, full, refused, unreadable_row",
    ("failure",),
)
VERIFIED = Family(
    "relay_secret_verified",
    "Deliveries that a secret has proved, the first of its endpoint's that fits",
    ("endpoint", "secret"),
)
LATE = Family(
    "relay_late_deliveries",
    "Deliveries signed so long ago that only late_tolerance_seconds let them pass",
    ("endpoint",),
)
DRY_RUN = Family(
    "relay_dry_run_refusals",
    "Deliveries taken by a dry run that would have been refused, by reason",
    ("endpoint", "reason"),
)
REJECTIONS = Family(
    "relay_rejections",
    "Rows of the refusal log: kept, counted (too many in a second), lost (not taken by the store)",
    ("endpoint", "state"),
)
RESTARTS = Family("relay_process_restarts", "Gateway processes that ended and were started again")

APPEND_SECONDS = Family(
    "relay_append_seconds", "How long the store took for one flush", (), _SECONDS
)
FLUSH_EVENTS = Family(
    "relay_flush_events", "How many events one flush carried", (), (1, 2, 4, 8, 16, 32, 64, 128)
)
CONFIRM_SECONDS = Family(
    "relay_confirm_seconds",
    "How long an event waited until the store had confirmed it",
    ("endpoint",),
    _SECONDS,
)
DUPLICATE_AGE = Family(
    "relay_duplicate_age_seconds",
    "How long before a duplicate its first delivery had come",
    ("endpoint",),
    (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 3 * 86_400),
)

STORE_MEMORY = Family(
    "relay_store_memory_ratio",
    "Memory the store uses, as a part of what it may use",
    together="greatest",
)
CONFIRMING_REPLICAS = Family(
    "relay_confirming_replicas",
    "Replicas that had what the last flush stored when it was waited for them",
    together="least",
)
CLOSED_STREAMS = Family(
    "relay_closed_streams",
    "Streams that take no new event, since they are as long as they may be",
    together="greatest",
)
WAITING_EVENTS = Family("relay_waiting_events", "Events that wait for a flush")
WAITING_BYTES = Family("relay_waiting_bytes", "Bytes of the events that wait for a flush")
BODY_BYTES = Family("relay_body_bytes_in_hand", "Body bytes received and not yet stored")
CONNECTIONS = Family("relay_connections", "Open connections of senders")
SPOOL_EVENTS = Family("relay_spool_events", "Events in the spool")
SPOOL_BYTES = Family("relay_spool_bytes", "Bytes of the events in the spool")
SPOOL_AGE = Family(
    "relay_spool_oldest_seconds",
    "How long ago the oldest event of the spool came; 0 where it is empty",
    together="greatest",
)
LAST_VERIFIED = Family(
    "relay_secret_last_verified_timestamp_seconds",
    "When a secret last proved a delivery, in Unix seconds",
    ("endpoint", "secret"),
    together="greatest",
)
RECONCILED_LOST = Family(
    "relay_reconciled_lost_events",
    "Events that the last comparison with the sender's own log found nowhere",
    ("endpoint",),
    together="greatest",
)
RECONCILED_REFUSED = Family(
    "relay_reconciled_refused_events",
    "Events that the last comparison with the sender's own log found in the refusal log only",
    ("endpoint",),
    together="greatest",
)
RECONCILED_AT = Family(
    "relay_reconciled_timestamp_seconds",
    "When the last comparison with the sender's own log ended, in Unix seconds",
    ("endpoint",),
    together="greatest",
)
PROCESSES = Family("relay_processes", "Gateway processes that take deliveries")

GATEWAY = Families(
    counters=(
        *(DELIVERIES, FILTERED, DIVERTED),
        *(MISPLACED, CHANGED_BODIES, DROPPED, DROPPED_UNSETTLED),
        *(CLOSED_CONNECTIONS, SPOOLED, DRAINED, SPOOL_FAILURES, RESTARTS),
        *(VERIFIED, LATE, DRY_RUN, REJECTIONS),
    ),
    histograms=(APPEND_SECONDS, FLUSH_EVENTS, CONFIRM_SECONDS, DUPLICATE_AGE),
    gauges=(
        STORE_MEMORY,
        CLOSED_STREAMS,
        CONFIRMING_REPLICAS,
        WAITING_EVENTS,
        WAITING_BYTES,
        BODY_BYTES,
        CONNECTIONS,
        SPOOL_EVENTS,
        SPOOL_BYTES,
        SPOOL_AGE,
        LAST_VERIFIED,
        RECONCILED_LOST,
        RECONCILED_REFUSED,
        RECONCILED_AT,
        PROCESSES,
    ),
)
