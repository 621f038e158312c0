"""The pages tell the truth: every name in the code stands in its reference page."""

import ast
import inspect
import re
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

import consumers.settings
import relay.settings
from consumers.metrics.families import WORKER
from consumers.processes.kept import END_SECONDS
from consumers.retry import DeadReason, Retry
from consumers.worker import Worker
from relay.contract import errors
from relay.contract.entry import encode
from relay.contract.event import Event
from relay.contract.keys import Keys
from relay.contract.tally import Tally, metrics_of
from relay.identify.kept import KEPT_HEADERS
from relay.metrics.families import GATEWAY
from relay.provider import SOURCES, Places
from relay.scheme import Key, Signature, Split, Timestamp, Token
from tests.commanding import every_command

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")])


def page(name: str) -> str:
    """Give a page's text."""
    return (ROOT / name).read_text("utf-8")


def settings_of(model: type[BaseModel], above: str = "") -> dict[str, object]:
    """Give every key of a settings model with its default."""
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            found |= settings_of(kind, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = field.get_default(call_default_factory=True)
    return found


@pytest.mark.parametrize("model", [relay.settings.Settings, consumers.settings.Settings])
def test_every_setting_is_described_with_its_default(model: type[BaseModel]) -> None:
    """Key, variable and default stand together in a row of the reference."""
    text = page("docs/reference/configuration.md")
    for key, default in settings_of(model).items():
        rows = [row for row in text.splitlines() if row.startswith(f"| `{key}` |")]

        assert len(rows) == 1, f"{key} has {len(rows)} rows"
        if key in {"redis.url", "groups", "caps", "endpoints"}:
            continue
        variable = "RELAY_" + key.upper().replace(".", "__")
        assert f"| `{variable}` | `{default}` |" in rows[0]


def test_every_setting_of_an_endpoint_is_described_with_its_default() -> None:
    """The endpoint's table names each key, and its default where it has one."""
    text = page("docs/reference/configuration.md")
    for key, field in relay.endpoints.EndpointSection.model_fields.items():
        written = f"`{field.default}`".replace("()", "[]").replace("False", "false")
        default = "–" if field.is_required() else written

        assert f"| `{key}` | {default} |" in text


@pytest.mark.parametrize(
    ("kind", "heading", "before"),
    [
        (Signature, "signature", ""),
        (Split, "signature", "split."),
        (Timestamp, "signature", "timestamp."),
        (Key, "signature", "key."),
        (Token, "token", "token."),
        (Places, "event", ""),
    ],
)
def test_the_words_for_a_sender_are_described(kind: Any, heading: str, before: str) -> None:
    """Each of its tables has a row for each key, with the default."""
    text = page("docs/reference/configuration.md")
    section = text.partition(f"### `[endpoints.<name>.{heading}]`\n")[2].partition("\n##")[0]
    for field in fields(kind):
        if field.name == "family" or is_dataclass(field.default):
            continue
        default = shown_default(field)

        assert f"| `{before}{field.name}` | {default} |" in section


def shown_default(field: "Field[Any]") -> str:
    """Write a default as the page does."""
    made = {} if field.default_factory is dict else field.default
    if made is MISSING:
        return "–"
    shown = f'"{made}"' if isinstance(made, str) else f"{made}"
    return f"`{shown}`".replace("()", "[]")


def test_every_source_of_a_place_is_described() -> None:
    """All that may stand in braces."""
    text = page("docs/reference/configuration.md")

    assert [source for source in SOURCES if f"`{{{source}.<" not in text] == []


def test_every_key_is_described() -> None:
    """Each key that can be made stands in the stream contract."""
    text = page("docs/reference/streams.md")
    keys = Keys()
    names = {"tag": "<tag>", "event_type": "<type>", "group": "<group>"}
    others = {"kind": "<kind>", "name": "…", "batch_id": "<id>", "consumer": "<consumer>"}
    others |= {"day": "<day>"}
    for name, member in inspect.getmembers(Keys):
        if inspect.isfunction(member) and not name.startswith("_"):
            parameters = [p for p in inspect.signature(member).parameters if p != "self"]
            key = getattr(keys, name)(*((names | others)[p] for p in parameters))
            assert f"`{key}`" in text, name
    for key in (keys.tags, keys.control, keys.secrets_pending, keys.paused):
        assert f"`{key}`" in text


def test_every_field_of_an_entry_is_described() -> None:
    """In the page for people and in the one for machines."""
    whole = Event(
        id="i",
        source="s",
        type="t",
        data=b"d",
        received_at_ms=1,
        assurance="body",
        time="t",
        content_type="c",
        content_encoding="e",
        account="a",
        headers={"a": "b"},
        query="q",
        traceparent="t",
        original_type="o",
        batch_id="b",
        batch_index=0,
        batch_size=1,
        entry_id="1-1",
        reason="r",
    )
    fields = {str(name) for name in encode(whole)[::2]}
    contract = YAML(typ="safe").load(page("docs/reference/asyncapi.yaml"))
    described = contract["components"]["schemas"]["entry"]["properties"]

    assert set(described) == fields
    assert {
        name for name in fields if f"`{name}`" not in page("docs/reference/streams.md")
    } == set()


def test_kept_headers_and_dead_letter_reasons_are_described() -> None:
    """Both lists of the stream contract are those of the code."""
    text = page("docs/reference/streams.md")

    assert [name for name in KEPT_HEADERS if f"`{name}`" not in text] == []
    assert [name for name in get_args(DeadReason) if f"`{name}`" not in text] == []


def test_every_reason_is_described() -> None:
    """Each status and reason that a sender may see has a row."""
    text = page("docs/reference/http.md")
    kinds = [
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, errors.DeliveryRefused)
    ]
    pairs = {(kind.status, kind.reason) for kind in kinds if kind is not errors.TryLater}
    pairs |= {(401, reason) for reason in get_args(errors.RefusedSignature)}
    pairs.discard((401, "internal_error"))

    assert {pair for pair in pairs if f"| {pair[0]} | `{pair[1]}` |" not in text} == set()


def test_every_metric_is_described() -> None:
    """Each metric that is counted has a row."""
    text = page("docs/reference/metrics.md")
    names = metric_names()

    assert {name for name in names if f"`{name}`" not in text} == set()


def metric_names() -> set[str]:
    """Name every metric of both programs, as they are shown."""
    return {
        metric.name + ("_total" if metric.type == "counter" else "")
        for families in (GATEWAY, WORKER)
        for metric in metrics_of(Tally(), families)
    }


def test_rules_for_alerts_name_metrics_that_exist() -> None:
    """A rule about a metric that nobody counts would be silent for ever."""
    rules = YAML(typ="safe").load(page("deploy/prometheus/alerts.yml"))
    known = {name + end for name in metric_names() for end in ("", "_bucket", "_sum", "_count")}
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    used = {name for rule in alerts for name in re.findall(r"relay_\w+", rule["expr"])}

    assert used - known == set()
    assert all(rule["annotations"]["summary"] for rule in alerts)
    assert len({rule["alert"] for rule in alerts}) == len(alerts)


def test_there_is_an_alert_for_what_a_spool_keeps_from_the_others() -> None:
    """While it takes events, none is answered 503, so no other rule tells of an outage."""
    rules = YAML(typ="safe").load(page("deploy/prometheus/alerts.yml"))
    watched = " ".join(rule["expr"] for group in rules["groups"] for rule in group["rules"])

    assert "relay_spool_oldest_seconds" in watched
    assert "relay_spool_failures_total" in watched


def test_every_log_event_is_described() -> None:
    """Each event that is logged has a row with its fields."""
    text = page("docs/reference/logs.md")
    missing = {
        f"{path.name}: {event}"
        for folder in ("relay", "consumers")
        for path in (ROOT / folder).rglob("*.py")
        for event in _logged(ast.parse(path.read_text("utf-8")))
        if f"`{event}`" not in text
    }

    assert missing == set()


def _logged(tree: ast.AST) -> set[str]:
    """Find the names of logged events, and the fields that go with them."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "_log":
            found |= {word.arg for word in node.keywords if word.arg}
            if isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
    return found


def test_every_command_and_option_is_described() -> None:
    """Each stands in the reference of commands."""
    text = page("docs/reference/commands.md")
    missing = []
    for words, leaf in every_command().items():
        row = next((row for row in text.splitlines() if row.startswith(f"## `{words}")), "")
        options = [option for parameter in leaf.params for option in parameter.opts]
        missing += [
            f"{words} {option}"
            for option in options
            if option.startswith("--") and option != "--help" and option not in row
        ]

    assert missing == []


def test_handlers_page_names_every_argument() -> None:
    """Arguments of the decorator and of the retry policy, with their defaults."""
    text = page("docs/reference/handlers.md")
    for declare in (Worker.on, Worker.on_batch):
        for name, parameter in inspect.signature(declare).parameters.items():
            assert name == "self" or f"| `{name}` |" in text
            if parameter.default not in {parameter.empty, None}:
                assert f"| `{name}` | `{parameter.default}` |" in text
    for name, parameter in inspect.signature(Retry).parameters.items():
        shown = "(Exception,)" if name == "on" else parameter.default
        assert f"| `{name}` | `{shown}` |" in text


def test_times_on_the_pages_are_those_of_the_code() -> None:
    """They are long forgotten when a constant changes."""
    usual, long = (
        sum(replace(policy, jitter=0.0).delay_seconds(n, 0.0) for n in range(1, policy.attempts))
        for policy in (Retry(), Retry(attempts=20))
    )
    handlers, commands = page("docs/reference/handlers.md"), page("docs/reference/commands.md")

    assert f"within {usual:g} seconds, with it in half" in handlers
    assert f"goes on for up to {long / 60:.0f} minutes" in handlers
    assert f"does not end within {END_SECONDS:g} seconds is killed" in commands


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link to a file of this project has that file, and the heading it names."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", path.read_text()):
        found = (path.parent / target).resolve() if target else path

        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


def test_proofs_of_the_guarantees_exist() -> None:
    """Each file that the table of guarantees names is there and has tests."""
    for row in page("README.md").splitlines():
        for name in re.findall(r"`(tests/[^`]+)`", row):
            assert "def test_" in page(name), name


def test_decisions_are_short() -> None:
    """A record of a decision has at most sixty lines."""
    long = [
        path.name for path in ROOT.glob("docs/adr/*.md") if len(path.read_text().splitlines()) > 60
    ]

    assert long == []


def test_tests_that_the_page_on_faults_names_exist() -> None:
    """Each file is there, and has the test of that name."""
    text = page("docs/explanation/faults.md")
    for name, _, function in re.findall(r"`(tests/[^`:]+)(::([a-z_]+))?`", text):
        assert "def test_" in page(name), name
        assert f"def {function}(" in page(name) or not function, function
