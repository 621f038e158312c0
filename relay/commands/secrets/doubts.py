"""What speaks against ending a rotation now, either way.

What is configured and what was used come in; sentences go out, none where nothing speaks against
it.
"""

from collections.abc import Sequence

from relay.commands.secrets.known import Known
from relay.commands.secrets.words import ago
from relay.usage import EndpointUsage, together


def against_finishing(
    knowns: Sequence[Known], usage: EndpointUsage, *, now_ms: int, retry_ms: int
) -> list[str]:
    """Say why the old ones should still count.

    Args:
        knowns: The newest first, at least two.
        usage: What was used.
        now_ms: Ms since the epoch.
        retry_ms: For how long senders try again what was refused.
    """
    new, *old = knowns
    if not any(known.counts_at(now_ms) for known in old):
        return []
    doubts = []
    if not new.counts_at(now_ms):
        doubts.append("The new one does not count now.")
    if new.used(usage) is None:
        doubts.append("The new one was never used.")
    used = together([each for each in (known.used(usage) for known in old) if each])
    if used is not None and now_ms - used.last_ms < retry_ms:
        which = "The old one" if len(old) == 1 else "An old one"
        doubts.append(
            f"{which} was last used {ago(used.last_ms, now_ms)}, within the {retry_ms // 1000} s "
            "in which its sender may still send what it has signed with it (--retry-seconds)."
        )
    return doubts


def against_going_back(
    knowns: Sequence[Known], usage: EndpointUsage, *, now_ms: int, retry_ms: int
) -> list[str]:
    """Say why the new one should still count; see `against_finishing`."""
    new, *old = knowns
    doubts = []
    if not any(known.counts_at(now_ms) for known in old):
        doubts.append("No old one counts now.")
    used = new.used(usage)
    if used is not None and now_ms - used.last_ms < retry_ms:
        doubts.append(
            f"The new one was last used {ago(used.last_ms, now_ms)}, within the "
            f"{retry_ms // 1000} s in which its sender may still send what it has signed with it "
            "(--retry-seconds)."
        )
    return doubts
