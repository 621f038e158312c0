"""What the benchmarks send is what the relay takes."""

import time

from bench.holds import numbered
from bench.unipile import ACCOUNT, EVENT_TYPE, secret_of
from relay.delivery import Delivery
from relay.identify import identify
from relay.verify import verify
from tests.making import make_delivery, make_endpoint

ENDPOINT = make_endpoint(secret_of("unipile"))


def _received(request: bytes) -> Delivery:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(body)
    now_ms = time.time_ns() // 1_000_000
    return make_delivery(body, headers, endpoint=ENDPOINT, received_at_ms=now_ms)


def test_a_delivery_verifies_and_is_identified() -> None:
    """By the relay's own rooms, from the bytes on the wire."""
    identified = identify(verify(_received(numbered.request(41))))

    assert identified.event.id == numbered.event_id(41)
    assert identified.event.type == EVENT_TYPE
    assert identified.event.account == ACCOUNT
    assert 600 <= len(identified.event.data) <= 800


def test_each_number_is_another_event_and_can_be_read_back() -> None:
    """All of one length, as the sender's own ids are."""
    names = [numbered.event_id(number) for number in (0, 1, 10**9)]

    assert [numbered.number_of(name.encode()) for name in names] == [0, 1, 10**9]
    assert {len(name) for name in names} == {30}
    assert len({numbered.body(number) for number in range(100)}) == 100
