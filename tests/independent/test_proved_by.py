"""What presets say of how they were tested is what is done here, and all of it."""

import pytest

from relay.providers import PROVIDERS
from relay.proving import published
from tests.independent.implementations import IMPLEMENTATIONS


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_preset_is_proved_by_what_it_says(name: str) -> None:
    """By deliveries that its sender has published, and by implementations that are not ours."""
    vectors = [vector for vector in published() if vector.preset == name and vector.is_taken]
    asked = {known.package for known in IMPLEMENTATIONS.values() if known.preset == name}

    said = PROVIDERS[name].proved_by
    assert set(said) == asked | ({"vector"} if vectors else set())
    assert len(said) == len(set(said))


def test_most_presets_are_proved() -> None:
    """By somebody else, each."""
    proved = [name for name, provider in PROVIDERS.items() if provider.proved_by]

    assert len(proved) > 40
