"""All scenarios, by what the fault strikes."""

from tests.faults.scenario import Scenario
from tests.faults.scenarios import (
    clock,
    cluster,
    connection,
    disk,
    failover,
    gateway,
    partition,
    replica,
    same,
    spool,
    store,
    torn,
    worker,
)

ALL: tuple[Scenario, ...] = (
    *store.SCENARIOS,
    *disk.SCENARIOS,
    *torn.SCENARIOS,
    *connection.SCENARIOS,
    *gateway.SCENARIOS,
    *worker.SCENARIOS,
    *same.SCENARIOS,
    *clock.SCENARIOS,
    *spool.SCENARIOS,
    *replica.SCENARIOS,
    *partition.SCENARIOS,
    *failover.SCENARIOS,
    *cluster.SCENARIOS,
)
