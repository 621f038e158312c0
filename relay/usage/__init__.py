"""What an endpoint's deliveries came to, and which secret proved them, kept for operators.

Each gateway process notes what it has answered and writes it to the store every two seconds, so
that a command can say it of all processes and machines, also when they have ended. After a store
was away a batch may be written twice: these numbers are for people, and no event hangs on them.

Source: docs/reference/streams.md.
"""

from relay.usage.read import EndpointUsage, Held, Outcome, SecretUsage, read_usage, together
from relay.usage.write import Usage

__all__ = [
    "EndpointUsage",
    "Held",
    "Outcome",
    "SecretUsage",
    "Usage",
    "read_usage",
    "together",
]
