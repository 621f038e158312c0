"""What stands between a wish and Unipile: each failure is one line that says what to do.

No line holds the API key or a secret; what Unipile said itself is quoted in its own words.
"""

from relay.contract.errors import RelayError


class UnipileFailed(RelayError):
    """Unipile did not do what was asked.

    Args:
        line: What happened and what to do, safe to print.
        may_be_done: Whether it may have been done all the same.
    """

    def __init__(self, line: str, *, may_be_done: bool = False) -> None:
        super().__init__(line)
        self.may_be_done = may_be_done


class KeyRefused(UnipileFailed):
    """It does not know the API key."""


class NotPermitted(UnipileFailed):
    """The API key may not do this."""


class NotThere(UnipileFailed):
    """What is meant does not exist."""


class NoId(UnipileFailed):
    """What is meant has a name that no id has, so it was not asked: it may be there."""


class Refused(UnipileFailed):
    """It does not take what it was given, for the reason that it gives."""


class TooMany(UnipileFailed):
    """It has had too many requests."""


class Away(UnipileFailed):
    """It cannot be reached, does not answer in time, or fails itself."""


class FailedItself(Away):
    """It has answered that it failed, so nothing is under way any more."""


class Unreadable(UnipileFailed):
    """It has answered, and the answer is not what it should be."""
