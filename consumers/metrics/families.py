"""What a worker counts: names, labels and bounds, declared once for all its processes.

Every label is bounded: groups, handlers, configured endpoints and stable reasons. An event type
is no label, since a sender makes as many as it likes.

Source: docs/reference/metrics.md.
"""

from relay.contract.tally import Families, Family

OF_HANDLER = ("group", "handler", "endpoint")
OF_ENDPOINT = ("group", "endpoint")
# All of one kind: to compare a whole number takes longer.
RUN_BOUNDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)
AGE_BOUNDS = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    15.0,
    60.0,
    300.0,
    1800.0,
    21600.0,
)

HANDLED = Family("relay_worker_handled", "Events whose handler returned", OF_HANDLER)
FAILED = Family(
    "relay_worker_failed_attempts", "Runs of a handler that raised or took too long", OF_HANDLER
)
RETRIED = Family("relay_worker_retried", "Failed events stored for another attempt", OF_HANDLER)
POSTPONED = Family(
    "relay_worker_postponed",
    "Events stored until the time that their handler asked for",
    OF_HANDLER,
)
SKIPPED = Family(
    "relay_worker_skipped", "Events acknowledged and not run: nothing proves them", OF_HANDLER
)
DEAD_LETTERED = Family(
    "relay_worker_dead_lettered", "Events set aside as dead letters", (*OF_HANDLER, "reason")
)
LATE = Family(
    "relay_worker_late_outcomes",
    "Outcomes dropped because another worker had taken the event over",
    OF_ENDPOINT,
)
TAKEN_OVER = Family("relay_worker_taken_over", "Events taken over from dead workers", OF_ENDPOINT)
GIVEN_AGAIN = Family("relay_worker_given_again", "Events whose long wait is over", OF_ENDPOINT)
TRIMMED = Family("relay_worker_trimmed", "Settled events removed from their streams", OF_ENDPOINT)
RESTARTS = Family(
    "relay_worker_process_restarts", "Worker processes that ended and were started again"
)

RUN_SECONDS = Family(
    "relay_worker_run_seconds", "How long one run of a handler took", OF_HANDLER, RUN_BOUNDS
)
AGE_SECONDS = Family(
    "relay_worker_age_seconds",
    "How long after it was received the first run for an event began",
    OF_HANDLER,
    AGE_BOUNDS,
)

IN_FLIGHT = Family(
    "relay_worker_in_flight", "Events that handlers are busy with", ("group", "handler")
)
HELD = Family(
    "relay_worker_held", "Events read and not settled, waiting ones too", ("group", "handler")
)
RUNNING = Family(
    "relay_worker_running", "Runs of a handler that are under way", ("group", "handler")
)
CONCURRENCY = Family(
    "relay_worker_concurrency", "How many runs at once there may be", ("group", "handler")
)
UNREAD = Family(
    "relay_worker_unread",
    "Events that no worker of the group has read yet",
    OF_HANDLER,
    together="greatest",
)
OLDEST = Family(
    "relay_worker_oldest_seconds",
    "Age of the oldest event that the group has not settled",
    OF_HANDLER,
    together="greatest",
)
PARKED = Family(
    "relay_worker_parked", "Events that wait for another attempt", OF_ENDPOINT, together="greatest"
)
DEAD_LETTERS = Family(
    "relay_worker_dead_letters", "Dead letters that are kept", OF_ENDPOINT, together="greatest"
)
HEARTBEAT_AGE = Family(
    "relay_worker_heartbeat_age_seconds",
    "How long ago the last heartbeat reached the store",
    ("group",),
    together="greatest",
)
STORE_REACHABLE = Family(
    "relay_worker_store_reachable",
    "1 where the last heartbeat reached the store, else 0",
    ("group",),
    together="least",
)
PROCESSES = Family("relay_worker_processes", "Worker processes that handle events")

WORKER = Families(
    counters=(
        *(HANDLED, FAILED, RETRIED, POSTPONED, SKIPPED, DEAD_LETTERED),
        *(LATE, TAKEN_OVER, GIVEN_AGAIN, TRIMMED, RESTARTS),
    ),
    histograms=(RUN_SECONDS, AGE_SECONDS),
    gauges=(
        *(IN_FLIGHT, HELD, RUNNING, CONCURRENCY, UNREAD, OLDEST, PARKED, DEAD_LETTERS),
        *(HEARTBEAT_AGE, STORE_REACHABLE, PROCESSES),
    ),
)
