"""From POST to handler: how long an event takes from its intended send time to its handler's start.

Part of ``make bench-latency``. The relay's gateway and worker, and a pair that does the least that
there is to do: a sender that appends, a loop that reads.
"""
