"""Rules of the configuration: what each means, and what to write where it means nothing."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from relay.contract.errors import ConfigurationFault
from relay.endpoint import Endpoint
from relay.filter_section import FilterSection
from relay.filters import Fit, fitting
from relay.rule import MAX_POINTER_CHARACTERS, parse_pointer
from relay.settings import Settings, build_endpoints
from tests.making import make_event

ENVIRON = {"UNIPILE_WEBHOOK_SECRET": "wes_x"}
DOCS = Path(__file__).parents[2] / "docs"
SPAM = b'{"payload":{"folder":"spam"}}'


def built(*rules: Any, **environ: str) -> Endpoint:
    """Build the endpoint ``unipile`` with rules of the file.

    Raises:
        ConfigurationFault: A rule means nothing.
    """
    secrets = [{"env": "UNIPILE_WEBHOOK_SECRET"}]
    section = {"provider": "unipile", "secrets": secrets, "filters": list(rules)}
    variables = ENVIRON | environ
    settings = Settings.load(variables, {"endpoints": {"unipile": section}})
    return build_endpoints(settings, variables)["unipile"]


def faults_of(*rules: Any) -> tuple[str, ...]:
    """Give the faults of rules that must not be accepted."""
    with pytest.raises(ConfigurationFault) as caught:
        built(*rules)
    return tuple(caught.value.faults)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "at least one of pointer, types and accounts"),
        ({"then": "divert", "to": "own"}, "at least one of pointer, types and accounts"),
        ({"pointer": "/a"}, "exactly one of equals, in and exists"),
        ({"pointer": "/a", "equals": 1, "exists": True}, "exactly one of equals, in and exists"),
        ({"pointer": "/a", "equals": 1, "in": [1]}, "exactly one of equals, in and exists"),
        ({"equals": 1, "types": ["*:x"]}, "need a pointer"),
        ({"exists": False, "accounts": ["a"]}, "need a pointer"),
        ({"pointer": "a", "exists": True}, "begins with a slash"),
        ({"pointer": "$.a", "exists": True}, "begins with a slash"),
        ({"pointer": "#/a", "exists": True}, "begins with a slash"),
        ({"pointer": "/a~b", "exists": True}, "~ is written ~0"),
        ({"pointer": "/a~", "exists": True}, "~ is written ~0"),
        ({"pointer": "/" + "a" * MAX_POINTER_CHARACTERS, "exists": True}, "at most 1000"),
        ({"pointer": 5, "exists": True}, ".pointer "),
        ({"pointer": "/a", "equals": None}, "exists asks"),
        ({"pointer": "/a", "equals": [1]}, "exists asks"),
        ({"pointer": "/a", "equals": {}}, "exists asks"),
        ({"pointer": "/a", "equals": float("nan")}, "no such number"),
        ({"pointer": "/a", "equals": float("inf")}, "no such number"),
        ({"pointer": "/a", "in": []}, ".in "),
        ({"pointer": "/a", "in": "abc"}, ".in "),
        ({"pointer": "/a", "in": [1, None]}, ".in.1 "),
        ({"pointer": "/a", "one_of": [1]}, "misspelling"),
        ({"pointer": "/a", "exists": "yes"}, ".exists "),
        ({"pointer": "/a", "exists": 1}, ".exists "),
        ({"types": ["message.*"]}, "write endpoint:type"),
        ({"types": "*:x"}, "a list"),
        ({"types": []}, ".types "),
        ({"types": ["unipil:message.*"]}, "write unipile:message.*"),
        ({"accounts": []}, ".accounts "),
        ({"accounts": "acc"}, "a list"),
        ({"accounts": ["a"], "then": "divert"}, 'to = "message.own"'),
        ({"accounts": ["a"], "to": "own"}, 'then = "divert"'),
        ({"accounts": ["a"], "then": "drop", "to": "own"}, 'then = "divert"'),
        ({"accounts": ["a"], "then": "keep"}, ".then "),
        ({"accounts": ["a"], "then": "divert", "to": "unidentified"}, "a type of your own"),
        ({"accounts": ["a"], "then": "divert", "to": "relay.x"}, "a type of your own"),
        ({"accounts": ["a"], "then": "divert", "to": "no type"}, "a type of your own"),
        ({"accounts": ["a"], "then": "divert", "to": ""}, "a type of your own"),
        ({"accounts": ["a"], "colour": "blue"}, "misspelling"),
        ("drop", "filters.0"),
    ],
)
def test_a_rule_that_means_nothing_is_a_fault(rule: Any, said: str) -> None:
    """It names the rule, and says what to write."""
    good = {"accounts": ["acc_1"]}
    (fault,) = (fault for fault in faults_of(good, rule) if said.replace("filters.0", "") in fault)

    assert "endpoints.unipile.filters" in fault
    assert "filters.1" in fault or "filters[1]" in fault


def test_all_faults_of_all_rules_are_told_together() -> None:
    """One start shows them."""
    faults = faults_of({"types": ["x"]}, {"pointer": "a", "exists": True}, {})

    assert [fault.split(" ")[0].split(".")[3] for fault in faults] == ["0", "1", "2"]


def test_filters_may_come_by_a_variable() -> None:
    """As JSON, which wins over the file."""
    table = [
        {"pointer": "/payload/is_sender", "equals": True},
        {"pointer": "/n", "in": ["a", 3], "types": ["unipile:message.*"]},
        {"accounts": ["acc_1"], "then": "divert", "to": "one"},
    ]
    found = built({"types": ["*:*"]}, RELAY_ENDPOINTS__UNIPILE__FILTERS=json.dumps(table))

    def fit(body: bytes, account: str | None = None) -> Fit | None:
        return fitting(make_event(data=body, account=account), found)

    assert len(found.filters) == 3
    assert fit(b'{"payload":{"is_sender":true}}') == Fit("0")
    assert fit(b'{"n":3}') == Fit("1")
    assert fit(b'{"n":4}', "acc_1") == Fit("2", "one")
    assert fit(b"{}") is None


def test_a_variable_with_a_rule_that_means_nothing_is_a_fault() -> None:
    """As in the file."""
    with pytest.raises(ConfigurationFault, match="at least one of pointer"):
        built(RELAY_ENDPOINTS__UNIPILE__FILTERS="[{}]")


def test_an_endpoint_has_no_filters_unless_it_says_so() -> None:
    """Everything passes."""
    assert built().filters == ()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", ()),
        ("/", ("",)),
        ("/foo", ("foo",)),
        ("/foo/0", ("foo", "0")),
        ("/a~1b", ("a/b",)),
        ("/c%d", ("c%d",)),
        ("/m~0n", ("m~n",)),
        ("/~01", ("~1",)),
        ("/~10", ("/0",)),
        ("//", ("", "")),
    ],
)
def test_pointers_are_read_as_the_rfc_has_them(text: str, tokens: tuple[str, ...]) -> None:
    """Both escapes, each once."""
    assert parse_pointer(text) == tokens


def blocks_of(page: str) -> list[str]:
    """Give the rules that a page shows, one text for each block."""
    text = (DOCS / page).read_text("utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    return [block for block in blocks if block.startswith("[[endpoints.unipile.filters]]")]


@pytest.mark.parametrize(
    ("number", "event", "fit"),
    [
        (0, {"data": b'{"payload":{"is_sender":true}}'}, Fit("0", "message.own")),
        (0, {"data": b'{"payload":{"is_sender":false}}'}, None),
        (1, {"type": "message.read"}, Fit("0")),
        (1, {"type": "presence.typing"}, Fit("0")),
        (1, {"type": "message.new"}, None),
        (2, {"account": "acc_of_our_tests"}, Fit("0", "of.our.tests")),
        (2, {"account": "acc_1"}, None),
        (3, {"account": "acc_1", "data": SPAM}, Fit("0", "message.aside")),
        (3, {"account": "acc_3", "data": SPAM}, Fit("1")),
        (3, {"type": "email.new", "account": "acc_1", "data": SPAM}, Fit("1")),
        (3, {"data": b'{"payload":{"folder":"inbox"}}'}, Fit("2")),
        (3, {"data": b'{"payload":{"folder":"inbox","text":""}}'}, None),
        (3, {"type": "never.seen", "account": "new"}, None),
    ],
)
def test_the_guides_rules_do_what_it_says(
    number: int, event: dict[str, Any], fit: Fit | None
) -> None:
    """Each block of the page, as it stands there."""
    block = tomllib.loads(blocks_of("how-to/filter-events.md")[number])

    found = built(*block["endpoints"]["unipile"]["filters"])
    assert fitting(make_event(**event), found) == fit


def test_every_key_of_a_rule_is_described_with_its_default() -> None:
    """In the table of the reference."""
    text = (DOCS / "reference/configuration.md").read_text("utf-8")
    section = text.partition("### `[[endpoints.<name>.filters]]`\n")[2].partition("\n##")[0]
    for name, field in FilterSection.model_fields.items():
        default = f"`{field.default}`".replace("()", "[]")

        assert f"| `{field.alias or name}` | {default} |" in section
