"""A conformance kit for any receiver of webhooks: it sends what senders and strangers send.

A URL and the secret that the receiver has come in; for each check goes out whether the receiver
did what it should, and if not, what it was sent, what it answered and what it should have done.
It knows nothing of what is behind the URL, unless it is given an observer.
"""

from relay.conformance.checks import CHECKS
from relay.conformance.run import Report, Unreachable, examine
from relay.conformance.target import Target, Trouble

__all__ = ["CHECKS", "Report", "Target", "Trouble", "Unreachable", "examine"]
