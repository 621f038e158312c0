"""What is measured are refusals, and beside them what is taken."""

import pytest

from bench.holds.refusals.__main__ import refused, taken
from bench.holds.refusals.deliveries import hostile, valid
from relay.providers import PROVIDERS

SIZE = 4096


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_valid_delivery_is_taken_at_its_size(name: str) -> None:
    """What refusals are held against is what its sender sends, and about as large."""
    request = valid(name, SIZE)

    assert taken(request) >= 1
    assert 0.5 * SIZE < len(request.body) < 1.5 * SIZE


@pytest.mark.parametrize("name", PROVIDERS)
def test_hostile_deliveries_are_refused(name: str) -> None:
    """A wrong signature at least; of a sender that signs no body some bodies are nobody's."""
    tried = {what: refused(request) for what, request in hostile(valid(name, SIZE))}

    assert tried["wrong signature"] is not None


def test_what_costs_most_is_tried() -> None:
    """Each idea comes to a refusal at one preset at least."""
    ideas: dict[str, bool] = {}
    for name in PROVIDERS:
        for what, request in hostile(valid(name, SIZE)):
            ideas[what] = ideas.get(what, False) or refused(request) is not None

    assert len(ideas) > 15
    assert all(ideas.values()), ideas
