"""Sockets that listen."""

import errno
import socket

import pytest

from relay.http.listen import bound, open_files

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
# An address for documentation, which no machine has.
ABSENT = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))


def test_an_address_that_is_not_there_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may have one of a family that is switched off here."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [ABSENT, V4])

    with bound("localhost", 0) as sockets:
        found = [one.getsockname()[0] for one in sockets]

    assert found == ["127.0.0.1"]


def test_a_name_without_any_address_that_is_there_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error names the address."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [ABSENT])

    with pytest.raises(OSError, match=r"192\.0\.2\.1") as caught, bound("elsewhere", 0):
        pass

    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_as_many_files_may_be_open_as_the_system_lets() -> None:
    """The soft limit is raised to the hard one."""
    assert open_files() > 0
