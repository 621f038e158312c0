"""Stands for the death of a process in the middle of a handler."""


class Crash(BaseException):
    """The process dies here: nothing of the run is stored, and another process runs it again.

    Raise it in a handler, or in what stands for a resource. No ``except Exception`` stops it;
    unlike a real death it lets ``finally`` blocks run.
    """


def is_crash(error: BaseException) -> bool:
    """Tell whether an exception is a crash, also where a task group has wrapped it."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(Crash) is not None
    return isinstance(error, Crash)
