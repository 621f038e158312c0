"""A timer finer than the millisecond that event loops give: the kernel's own, as a descriptor.

Source: https://man7.org/linux/man-pages/man2/timerfd_create.2.html
"""

import ctypes
import os

_CLOCK_MONOTONIC = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("ns", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("first", _Timespec))


def ticking(interval_ns: int) -> int:
    """Make a descriptor that becomes readable at every interval from now on.

    Args:
        interval_ns: 1 to 999,999,999.

    Returns:
        The descriptor; each read of 8 bytes takes what has come due. The caller closes it.

    Raises:
        OSError: The kernel gives no timer.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
    interval = _Timespec(0, interval_ns)
    setting = _Setting(interval, interval)
    if descriptor < 0 or libc.timerfd_settime(descriptor, 0, ctypes.byref(setting), None) < 0:
        raise OSError(ctypes.get_errno(), "the kernel gives no timer")
    return int(descriptor)
