"""What holds for rules and bodies of any kind."""

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from relay.contract.event import Appended, IdentifiedEvent
from relay.filters import Fit, fitting
from relay.pipeline import Accepted, Filtered, Pipeline
from tests.making import gzipped, make_endpoint, make_event, make_signed
from tests.relay.filtering import filtering, rules

KEYS = st.text(max_size=4) | st.sampled_from(["a", "b", "0", "1", "", "~", "/", "~1"])
SCALARS = st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["a", 0, 1, 1.0])
JSON = st.recursive(
    st.none() | SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
PLAIN = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())
CUT = st.tuples(PLAIN, st.integers(0, 60)).map(lambda given: given[0][: given[1]])
BODIES = PLAIN | CUT | PLAIN.map(gzipped)

POINTERS = st.lists(KEYS, max_size=3).map(
    lambda keys: "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
)
CONDITIONS = (
    st.fixed_dictionaries({"equals": SCALARS})
    | st.fixed_dictionaries({"in": st.lists(SCALARS, min_size=1, max_size=3)})
    | st.fixed_dictionaries({"exists": st.booleans()})
)
LOOKS = st.tuples(POINTERS, CONDITIONS).map(lambda given: {"pointer": given[0], **given[1]})
OTHERS = st.sampled_from(
    [{"types": ["unipile:message.*"]}, {"types": ["*:other"]}, {"accounts": ["acc_1"]}]
)
ENDS = st.sampled_from([{}, {"then": "divert", "to": "own"}, {"then": "divert", "to": "other"}])
RULES = st.tuples(LOOKS | OTHERS, ENDS).map(lambda given: {**given[0], **given[1]})


def pointers_into(value: Any, above: str = "") -> list[tuple[str, Any]]:
    """Give the pointer to every place of a value, with what stands there."""
    found = [(above, value)]
    if not isinstance(value, list | dict):
        return found
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        token = str(key).replace("~", "~0").replace("/", "~1")
        found += pointers_into(inner, f"{above}/{token}")
    return found


@given(value=JSON, ascii_only=st.booleans())
def test_every_value_of_any_body_can_be_pointed_at(value: Any, *, ascii_only: bool) -> None:
    """Where it stands it exists, and a scalar equals itself."""
    event = make_event(data=json.dumps(value, ensure_ascii=ascii_only).encode())
    for pointer, found in pointers_into(value):
        (exists,) = rules({"pointer": pointer, "exists": True})

        assert fitting(event, make_endpoint(filters=(exists,))) == Fit("0")
        if found is not None and not isinstance(found, list | dict):
            assert fitting(event, filtering({"pointer": pointer, "equals": found})) == Fit("0")


@given(body=BODIES, tables=st.lists(RULES, max_size=4), account=st.sampled_from([None, "acc_1"]))
def test_the_first_that_fits_alone_is_the_one_that_decides(
    body: bytes, tables: list[dict[str, Any]], account: str | None
) -> None:
    """For any body whatever, and nothing of it fails."""
    event = make_event(data=body, account=account)
    alone = [fitting(event, filtering(table)) for table in tables]
    first = next((number for number, fit in enumerate(alone) if fit is not None), None)

    expected = None if first is None else Fit(str(first), tables[first].get("to"))
    assert fitting(event, filtering(*tables)) == expected


class Recorder:
    """Takes every event."""

    def __init__(self) -> None:
        self.events: list[IdentifiedEvent] = []

    async def append(self, identified: IdentifiedEvent) -> Appended:
        """Take one."""
        self.events.append(identified)
        return Appended("1-1")


@given(body=BODIES, tables=st.lists(RULES, max_size=3))
def test_what_is_dropped_is_not_stored_and_all_else_is(
    body: bytes, tables: list[dict[str, Any]]
) -> None:
    """Under the type that the rule says, where one diverts it."""
    store = Recorder()
    endpoint = filtering(*tables)
    done = asyncio.run(Pipeline(store, {}).accept(make_signed(body, endpoint=endpoint)))

    assert isinstance(done, Accepted)
    assert [event.event.data for event in store.events] == (
        [] if isinstance(done.result, Filtered) else [body]
    )
    plain = Recorder()
    asyncio.run(Pipeline(plain, {}).accept(make_signed(body)))
    fit = fitting(plain.events[0].event, endpoint)
    assert isinstance(done.result, Filtered) is (fit is not None and fit.to is None)
    if fit is not None and fit.to is not None:
        assert [event.event.type for event in store.events] == [fit.to]
        assert store.events[0].identity == plain.events[0].identity
