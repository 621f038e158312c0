"""What an endpoint says of its preset: what it may say, and what is said of what does nothing."""

from typing import Any

import pytest

from relay.contract.errors import ConfigurationFault
from relay.endpoint import Endpoint
from relay.settings import Settings, build_endpoints

ENVIRON = {"SECRET": "made up"}


def endpoint_of(provider: str = "unipile-v1", **table: Any) -> Endpoint:
    """Read one endpoint's table."""
    section = {"provider": provider, "secrets": [{"env": "SECRET"}], **table}
    settings = Settings.load(ENVIRON, {"endpoints": {"hook": section}})
    return build_endpoints(settings, ENVIRON)["hook"]


def fault_of(provider: str = "unipile-v1", **table: Any) -> str:
    """Give what is wrong with a table."""
    with pytest.raises(ConfigurationFault) as caught:
        endpoint_of(provider, **table)
    (only,) = caught.value.faults
    return only


@pytest.mark.parametrize(
    ("provider", "table", "fault"),
    [
        ("unipile-v1", {"renamed": {"event": "e", "subject": "s"}}, "no place uses 'subject'"),
        ("unipile-v1", {"renamed": {"subject": "s"}}, "AccountStatus, account_id, calendar_id"),
        ("unipile-v1", {"renamed": {"message_id": "m.id"}}, "'m.id' is no name of a field"),
        ("unipile-v1", {"renamed": {"message_id": ""}}, "'' is no name of a field"),
        ("unipile-v1", {"renamed": {"date": "x", "timestamp": "x"}}, "two fields the same name"),
        ("github", {"renamed": {"id": "x"}}, "renamed does nothing here"),
        ("gitlab", {"token": {"place": "header.x-own"}}, "token does nothing here"),
        ("unipile", {"token": {"place": "header.x-own"}}, "token does nothing here"),
        ("unipile-v1", {"types_as": "unipil"}, 'types_as is none of "unipile"'),
        ("github", {"types_as": "unipile"}, "types_as does nothing here"),
        ("unipile-v1", {"token": {"place": "cookie.x"}}, "no place of a token"),
        ("unipile-v1", {"token": {"place": "query."}}, "name of a parameter"),
        ("unipile-v1", {"token": {"place": "query.a b"}}, "name of a parameter"),
        ("unipile-v1", {"token": {"place": "query.a%62"}}, "name of a parameter"),
        ("unipile-v1", {"token": {"place": "header.user-agent"}}, "kept with every event"),
        ("unipile-v1", {"token": {"place": "header.traceparent"}}, "kept with every event"),
        (
            "unipile-v1",
            {"token": {"place": "header.x-own"}, "headers": ["x-own"]},
            "kept with every event",
        ),
        (
            "unipile-v1",
            {"token": {"place": "query.own"}, "event": {"account": "{query.own}"}},
            "kept with every event",
        ),
        ("basic", {"token": {"place": "header.x-own"}}, "go together"),
        ("unipile-v1", {"event": {"ids": {"a": "{body}"}}}, "no place"),
    ],
)
def test_what_does_nothing_or_too_much_is_a_fault(
    provider: str, table: dict[str, Any], fault: str
) -> None:
    """It is said at the start, and not with the first event that is missed."""
    assert fault in fault_of(provider, **table)


def test_an_id_of_the_table_counts_for_every_type() -> None:
    """Where the preset knows one for each type, the operator's own is not passed over."""
    own = endpoint_of(event={"id": "{content.mine}"}).provider.event
    both = endpoint_of(event={"id": "{content.mine}", "ids": {"a": "{content.b}"}}).provider.event

    assert (own.id, own.ids) == ("{content.mine}", {})
    assert both.ids == {"a": "{content.b}"}


def test_a_name_of_the_table_counts_before_those_of_version_2() -> None:
    """What is said of one type is meant for that one."""
    names = {"mail_sent": "email.sent"}

    event = endpoint_of(types_as="unipile", event={"type_names": names}).provider.event

    assert event.type_names["mail_sent"] == "email.sent"
    assert event.type_names["mail_received"] == "email.new"


def test_nothing_said_leaves_the_preset_as_it_is() -> None:
    """Also by the object, of which what is worked out once depends."""
    assert endpoint_of().provider is endpoint_of().provider
