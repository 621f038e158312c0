"""Deliveries of a benchmark: signed as the relay wants it, distinct, the same when read back."""

import time
from pathlib import Path

import pytest

from bench.deliveries import Shape, endpoint_names, read, split, write
from bench.forms import FORMS, secret_for
from relay.contract.errors import SignatureRefused
from relay.contract.event import Event
from relay.delivery import Delivery
from relay.endpoint import Endpoint, Secret
from relay.identify import identify_each
from relay.providers import PROVIDERS
from relay.verify import examine_head, verify


def taken(request: bytes, now: float, sender: str = "unipile") -> Event:
    """Take a request the way the relay does; give its only event."""
    headers, body = split(request)
    name = request.split(b" ")[1].decode().removeprefix("/webhooks/")
    secret = Secret(secret_for(sender, name), "test")
    endpoint = Endpoint(name=name, provider=PROVIDERS[sender], secrets=(secret,))
    delivery = Delivery(
        endpoint=endpoint,
        claim=examine_head(endpoint, headers),
        headers=headers,
        query="",
        body=body,
        received_at_ms=int(1000 * now),
    )
    (identified,) = identify_each(verify(delivery))
    assert identified.event.source == f"/webhooks/{name}"
    return identified.event


def verified_id(request: bytes, now: float) -> str:
    """Take one of Unipile's requests the way the relay does; give its event id."""
    event = taken(request, now)
    assert event.type == "message.new"
    assert event.account
    assert event.time
    return event.id


@pytest.mark.parametrize("body_bytes", [512, 700, 4096, 65536])
@pytest.mark.parametrize("endpoints", [1, 50])
def test_every_delivery_verifies_and_is_distinct(
    tmp_path: Path, body_bytes: int, endpoints: int
) -> None:
    """The relay takes each of them, at its endpoint, under the id that the file says."""
    made = write(tmp_path / "file", Shape(body_bytes=body_bytes, endpoints=endpoints), 60)
    ids = [verified_id(made.request(number), time.time()) for number in range(60)]

    assert len(set(ids)) == 60
    assert ids == [made.event_id(number).decode() for number in range(60)]
    assert {len(split(made.request(number))[1]) for number in range(60)} == {body_bytes}


@pytest.mark.parametrize("sender", FORMS)
def test_every_sender_is_taken_for_what_it_is(tmp_path: Path, sender: str) -> None:
    """Each under its own preset, with the same length, a type of its own and the id as sent."""
    made, form = write(tmp_path / "file", Shape(sender=sender), 20), FORMS[sender]
    events = [taken(made.request(number), time.time(), sender) for number in range(20)]
    lengths = {len(split(made.request(number))[1]) for number in range(20)}

    assert len({event.id for event in events}) == 20
    assert [event.id.encode() for event in events] == [
        form.stored_id(made.event_id(number)) for number in range(20)
    ]
    assert {event.type for event in events} != {"unidentified"}
    assert lengths == {700}
    assert read(tmp_path / "file") == made


@pytest.mark.parametrize("sender", FORMS)
def test_no_sender_is_taken_with_a_changed_body(tmp_path: Path, sender: str) -> None:
    """So each signature that is measured is verified."""
    request = write(tmp_path / "file", Shape(sender=sender), 1).request(0)

    with pytest.raises(SignatureRefused, match="signature_mismatch"):
        taken(request.replace(b"blue", b"grey"), time.time(), sender)


def test_an_aged_delivery_is_refused(tmp_path: Path) -> None:
    """A good signature that is too old, for showing that a contender looks."""
    made = write(tmp_path / "file", Shape(), 1, age_seconds=1000)

    with pytest.raises(SignatureRefused, match="timestamp_too_old"):
        verified_id(made.request(0), time.time())


def test_two_files_never_share_an_id(tmp_path: Path) -> None:
    """A round cannot send what another has sent."""
    files = [write(tmp_path / name, Shape(), 100) for name in ("one", "other")]

    assert files[0].distinct(100).isdisjoint(files[1].distinct(100))


@pytest.mark.parametrize(("share", "low", "high"), [(0.05, 20, 90), (0.5, 420, 580)])
def test_repeats_come_in_their_share(tmp_path: Path, share: float, low: int, high: int) -> None:
    """They have the bytes of an earlier delivery."""
    made = write(tmp_path / "file", Shape(duplicate_share=share), 1000)
    requests = [made.request(number) for number in range(1000)]

    assert low < 1000 - len(set(requests)) < high
    assert len(set(requests)) == len(made.distinct(1000))


def test_a_file_reads_back_as_it_was_made(tmp_path: Path) -> None:
    """What the senders send is what was counted."""
    made = write(tmp_path / "file", Shape(endpoints=50), 120)

    assert read(tmp_path / "file") == made


def test_another_file_is_refused(tmp_path: Path) -> None:
    """Named, and said what it should be."""
    (tmp_path / "file").write_bytes(b"something else\n")

    with pytest.raises(ValueError, match="does not begin with webhook-deliveries"):
        read(tmp_path / "file")


def test_a_body_that_cannot_be_so_short_is_refused(tmp_path: Path) -> None:
    """The form alone needs more."""
    with pytest.raises(ValueError, match="at least 512"):
        write(tmp_path / "file", Shape(body_bytes=100), 1)


def test_names_of_endpoints_are_equally_long() -> None:
    """Else requests could not be put together from records of one length."""
    assert {len(name) for name in endpoint_names(50)} == {10}
    assert endpoint_names(1) == ["unipile"]
