"""Rules as a file would have them, for tests of filters."""

from collections.abc import Mapping
from typing import Any

from relay.endpoint import Endpoint
from relay.filter_section import FilterSection
from relay.rule import Rule
from tests.making import make_endpoint


def rules(*tables: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Read rules."""
    return tuple(FilterSection.model_validate(table).rule for table in tables)


def filtering(*tables: Mapping[str, Any], **changes: Any) -> Endpoint:
    """Make an endpoint with rules; the arguments by name are what else matters."""
    return make_endpoint(filters=rules(*tables), **changes)
