"""Reads a span of time, mostly how long ago something was: ``90s``, ``30m``, ``1h`` or ``1d``."""

import re

from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable

_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_AGO = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)


def ago_ms(text: str, option: str = "--since") -> int:
    """Give a span of time, in ms.

    Args:
        text: As it was typed.
        option: To which.

    Raises:
        CommandFailed: It is not written so.
    """
    found = _AGO.fullmatch(text)
    if found is None:
        raise CommandFailed(
            f"{option} {printable(text)}: write it as 90s, 30m, 1h or 1d.", exit_code=WRONG_USAGE
        )
    return int(found[1]) * _UNIT_MS[found[2]]
