"""Names of keys: the promise to every reader of the store."""

import inspect
import re

import pytest

from relay.contract.keys import (
    Keys,
    endpoint_of,
    entry_of,
    is_event_type,
    is_name,
    member,
    tag_of,
    tags_of,
)

TAG = "unipile#3"


def test_names_are_as_published() -> None:
    """The names that other programs rely on are these, letter by letter."""
    keys = Keys()

    assert keys.stream("unipile", "message.new") == "relay:{unipile}:message.new"
    assert keys.stream(TAG, "message.new") == "relay:{unipile#3}:message.new"
    assert keys.streams("unipile") == "relay:{unipile}@streams"
    assert keys.groups("unipile") == "relay:{unipile}@groups"
    assert keys.seen("unipile", "ids") == "relay:{unipile}@seen:ids"
    assert keys.seen_none("unipile", "bodies") == "relay:{unipile}@seen-none:bodies"
    assert keys.dead("unipile", "crm") == "relay:{unipile}@dead:crm"
    assert keys.again("unipile", "crm", "a.b") == "relay:{unipile}@again:crm:a.b"
    assert keys.later("unipile", "crm") == "relay:{unipile}@later:crm"
    assert keys.later_due("unipile", "crm") == "relay:{unipile}@later-due:crm"
    assert keys.park("unipile", "crm") == "relay:{unipile}@park:crm"
    assert keys.attempts("unipile", "crm") == "relay:{unipile}@attempts:crm"
    assert keys.strikes("unipile", "crm") == "relay:{unipile}@strikes:crm"
    assert keys.lane("unipile", "crm", "x") == "relay:{unipile}@lane:crm:x"
    assert keys.owner("unipile", "crm", "a.b") == "relay:{unipile}@owner:crm:a.b"
    assert keys.once("unipile", "crm", "x") == "relay:{unipile}@once:crm:x"
    assert keys.lease_sweep("unipile", "crm") == "relay:{unipile}@lease:sweep:crm"
    assert keys.lease_trim("unipile") == "relay:{unipile}@lease:trim"
    assert keys.lease_later("unipile", "crm") == "relay:{unipile}@lease:later:crm"
    assert keys.rejected("unipile") == "relay:{unipile}@rejected"
    assert keys.gaps("unipile") == "relay:{unipile}@gaps"
    assert keys.accounts("unipile") == "relay:{unipile}@accounts"
    assert keys.batch("unipile", "b") == "relay:{unipile}@batch:b"
    assert keys.fence("unipile") == "relay:{unipile}@fence"
    assert keys.tags == "relay:@tags"
    assert keys.control == "relay:@control"
    assert keys.secrets_pending == "relay:@secrets:pending"
    assert keys.paused == "relay:@paused"
    assert keys.alive("crm", "host-1") == "relay:@alive:crm:host-1"


def test_keys_of_a_tag_share_its_slot() -> None:
    """Every key that is made for a tag has that tag, and no other, as its hash tag."""
    makers = [
        maker
        for _, maker in inspect.getmembers(Keys("p"), inspect.ismethod)
        if next(iter(inspect.signature(maker).parameters), "") == "tag"
    ]
    names = [
        maker(*[TAG, "x", "y"][: len(inspect.signature(maker).parameters)]) for maker in makers
    ]

    assert len(names) > 15
    assert {re.findall(r"\{([^}]*)\}", name)[0] for name in names} == {TAG}
    assert len(set(names)) == len(names)
    assert all(name.startswith("p:") for name in names)


@pytest.mark.parametrize("name", ["a", "0", "my-app", "a" * 63, "9-9"])
def test_names_of_endpoints_and_groups(name: str) -> None:
    """Lower-case letters, digits and hyphens name an endpoint."""
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a.b", "ä", "a" * 64, "a\n", "@a", "a#1"])
def test_no_names_of_endpoints_and_groups(name: str) -> None:
    """Whatever could be taken for another part of a key is no name."""
    assert not is_name(name)


@pytest.mark.parametrize(
    "event_type", ["message.new", "A", "a:b/c_d-e.9", "x" * 128, "relay", "relayed.x"]
)
def test_types_that_name_their_stream(event_type: str) -> None:
    """A type of harmless characters names its stream as it is."""
    assert is_event_type(event_type)


@pytest.mark.parametrize(
    "event_type",
    ["", "a b", "a@b", "a{b", "a}b", "a*b", "ä", "x" * 129, "a\n", "unidentified", "relay.x"],
)
def test_types_that_do_not_name_a_stream(event_type: str) -> None:
    """Hostile types, and those of our own making, are not taken from outside."""
    assert not is_event_type(event_type)


def test_one_partition_is_the_endpoint_itself() -> None:
    """Without partitions the tag is the endpoint's name."""
    assert tag_of("unipile", 1, "acc_1") == "unipile"
    assert tags_of("unipile", 1) == ["unipile"]


def test_partitions_keep_a_key_together() -> None:
    """One account is always in the same partition, and all partitions come into use."""
    tags = {tag_of("unipile", 4, f"acc_{number}") for number in range(200)}

    assert tags == set(tags_of("unipile", 4))
    assert tag_of("unipile", 4, "acc_7") == tag_of("unipile", 4, "acc_7")
    # CRC-32 of "123456789" is 0xCBF43926: the partition of a key is part of the contract.
    assert tag_of("unipile", 1024, "123456789") == f"unipile#{0xCBF43926 % 1024}"


@pytest.mark.parametrize("tag", ["unipile", "unipile#3"])
def test_the_endpoint_of_a_tag(tag: str) -> None:
    """A tag tells its endpoint."""
    assert endpoint_of(tag) == "unipile"


def test_members_are_read_back() -> None:
    """A member of a book gives back entry id and type, a type with ``|``-like parts too."""
    assert entry_of(member("1791796448123-7", "a:b/c")) == ("1791796448123-7", "a:b/c")


def test_members_sort_by_age() -> None:
    """Zero-padding makes members of equal score sort as their entries do."""
    ids = ["9-9", "9-10", "10-0", "1791796448123-2", "1791796448123-10"]

    assert sorted(member(entry_id, "t") for entry_id in ids) == [
        member(entry_id, "t") for entry_id in ids
    ]
