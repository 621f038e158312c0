"""Which cap a stream has: that of the most specific pattern, and never more than one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.contract.caps import DEFAULT, Cap, Caps, find_tie, store_bytes_of
from relay.contract.config import FileSettings
from relay.contract.errors import ConfigurationFault
from relay.contract.patterns import parse_pattern

MIB = 1024 * 1024

names = st.text("ab*", min_size=1, max_size=4)
patterns = st.builds("{}:{}".format, names, names)
streams = st.tuples(st.text("ab", min_size=1, max_size=4), st.text("ab.", min_size=1, max_size=4))


@given(st.dictionaries(patterns, st.integers(1, 9), max_size=6), streams)
def test_the_most_specific_pattern_decides(sizes: dict[str, int], stream: tuple[str, str]) -> None:
    """Whatever order they are written in; where two would decide, that is a fault at start."""
    meaning = {text for text in sizes if parse_pattern(text).matches(*stream)}
    most = max((parse_pattern(text).specificity for text in meaning), default=0)
    best = {text for text in meaning if parse_pattern(text).specificity == most}
    caps = Caps({text: Cap(max_entries=size) for text, size in sizes.items()})
    found = caps.of(*stream)

    if not meaning:
        assert found == DEFAULT
    elif len(best) == 1:
        assert found.max_entries == sizes[best.pop()]
    else:
        assert find_tie(sizes) is not None


@given(st.dictionaries(patterns, st.integers(1, 9), max_size=6))
def test_a_tie_is_found_only_where_a_stream_has_one(sizes: dict[str, int]) -> None:
    """Patterns that say equally much of different streams are no fault."""
    tie = find_tie(sizes)

    if tie is not None:
        assert tie[0].specificity == tie[1].specificity
        assert tie[0].overlaps(tie[1])


@given(st.integers(0, 2000), st.integers(0, 200 * MIB), st.integers(0, 1024 * MIB))
def test_a_stream_is_as_full_as_its_nearer_cap(entries: int, size: int, store: int) -> None:
    """By entries or by bytes, of which a quarter of the store is the default."""
    cap = Cap(max_entries=1000)
    fill = cap.fill(entries, size, store)

    assert fill >= entries / 1000
    assert (fill >= 1.0) is (entries >= 1000 or (store >= 4 and size >= store // 4))


def test_a_cap_of_no_bytes_is_none() -> None:
    """0 switches the default off; what the store's size is unknown has none either."""
    assert Cap(max_bytes=0).fill(10**6, 10**12, 10**9) == 0.0
    assert Cap().fill(10**6, 10**12, 0) == 0.0
    assert Cap().bytes_of(1000) == 250
    assert Caps({"a:b": Cap(max_bytes=10)}).least_bytes(1000) == 10
    assert Caps({"*:*": Cap(max_bytes=0)}).least_bytes(0) == 0


def test_the_store_has_half_the_machine_where_it_has_no_bound() -> None:
    """As for ingress as a whole."""
    assert store_bytes_of({"maxmemory": 10, "total_system_memory": 100}) == 10
    assert store_bytes_of({"maxmemory": 0, "total_system_memory": 100}) == 50
    assert store_bytes_of({}) == 0


def test_caps_are_read_from_the_file_and_a_variable() -> None:
    """By pattern, for both programs."""
    toml = {"caps": {"unipile:message.*": {"max_entries": 5, "on_full": "drop_oldest"}}}
    settings = FileSettings.load({"RELAY_CAPS": '{"*:*": {"max_bytes": 0}}'}, toml)

    assert settings.stream_caps.of("unipile", "message.new") == Cap(5, None, "drop_oldest")
    assert settings.stream_caps.of("unipile", "email.new") == Cap(None, 0, "reject")


@pytest.mark.parametrize(
    "caps",
    [
        {"unipile": {"max_entries": 1}},
        {"*:a*": {}, "*:*a": {}},
        {"*:*": {"max_entries": 0}},
        {"*:*": {"max_bytes": -1}},
        {"*:*": {"on_full": "drop"}},
        {"*:*": {"most": 1}},
    ],
)
def test_faulty_caps_are_named(caps: dict[str, object]) -> None:
    """A pattern that is none, a tie, or a cap that means nothing."""
    with pytest.raises(ConfigurationFault, match=r"^caps"):
        FileSettings.load({}, {"caps": caps})
