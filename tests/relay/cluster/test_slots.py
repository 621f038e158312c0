"""Which slot a command goes to, as the servers reckon."""

from typing import Any

import pytest

from relay.contract.address import Host
from relay.contract.cluster.slots import read_slots, slot_of, slot_of_key
from relay.contract.keys import Keys

KEY = "relay:{unipile}:message.new"
HERE = Host("10.0.0.1", 7000)


def test_all_keys_of_a_tag_share_a_slot() -> None:
    """So one script call may touch all of them; the specification's example slot is right."""
    keys = Keys()
    made = [
        keys.stream("unipile#3", "message.new"),
        keys.streams("unipile#3"),
        keys.seen("unipile#3", "ids"),
        keys.park("unipile#3", "crm"),
    ]

    assert slot_of_key("123456789") == 0x31C3
    assert {slot_of_key(key) for key in made} == {slot_of_key("unipile#3")}


@pytest.mark.parametrize(
    "command",
    [
        ("GET", KEY),
        ("get", KEY.encode()),
        ("XADD", KEY, "*", "a", "b"),
        ("XINFO STREAM", KEY),
        ("XINFO", "GROUPS", KEY),
        ("XGROUP CREATE", KEY, "crm", "0"),
        ("OBJECT", "ENCODING", KEY),
        ("MEMORY USAGE", KEY, "SAMPLES", 5),
        ("EVAL", "return 1", 2, KEY, "relay:{unipile}@streams", "x"),
        ("EVALSHA", "abc", "1", KEY),
        ("XREAD", "COUNT", 1, "BLOCK", 5, "STREAMS", KEY, "0"),
        (b"XREAD", b"streams", KEY, b"$"),
        ("XREADGROUP", "GROUP", "streams", "a", "COUNT", 1, "STREAMS", KEY, ">"),
    ],
)
def test_the_first_key_says_where_a_command_goes(command: tuple[Any, ...]) -> None:
    """Wherever it stands in the command."""
    assert slot_of(command) == slot_of_key("unipile")


@pytest.mark.parametrize(
    "command",
    [
        ("PING",),
        ("INFO", "memory"),
        ("TIME",),
        ("CONFIG GET", "dir"),
        ("CLIENT", "UNBLOCK", 5),
        ("SCRIPT LOAD", "return 1"),
        ("EVAL", "return 1", 0, KEY),
        ("MEMORY DOCTOR",),
        ("XREADGROUP", "GROUP", "streams", "a"),
    ],
)
def test_some_commands_have_no_key(command: tuple[Any, ...]) -> None:
    """They may go to any server."""
    assert slot_of(command) is None


def test_the_map_names_primaries_and_replicas() -> None:
    """A server that does not know its own address means the one that was asked."""
    reply = [
        [0, 99, [b"10.0.0.2", 7001, b"id", []], [b"", 7002, b"id"]],
        [100, 16383, [None, 7000, b"id"]],
    ]

    first, second = read_slots(reply, HERE)

    assert (first.first, first.last, first.primary) == (0, 99, Host("10.0.0.2", 7001))
    assert first.replicas == (Host("10.0.0.1", 7002),)
    assert (second.last, second.primary, second.replicas) == (16383, HERE, ())


def test_an_address_is_written_as_in_urls() -> None:
    """Also one of IPv6."""
    assert [str(Host("::1", 1)), str(Host("a", 2))] == ["[::1]:1", "a:2"]
