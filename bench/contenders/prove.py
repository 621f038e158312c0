"""Shows before the first round that a contender does the work it is measured for.

A thinned check would be the cheapest way to win. So each one that stores must take a signed
delivery, know it again, refuse a wrong and an old signature, and write every field.
"""

import http.client
from dataclasses import replace
from pathlib import Path

from bench.contenders.contender import Contender
from bench.deliveries import Deliveries, split, write
from bench.failures import WorkNotDone
from bench.forms import FORMS

FIELDS = frozenset(
    {
        b"specversion",
        b"id",
        b"source",
        b"type",
        b"time",
        b"datacontenttype",
        b"account",
        b"headers",
        b"receivedat",
        b"assurance",
        b"relayversion",
        b"data",
    }
)


def prove(contender: Contender, directory: Path) -> None:
    """Try one contender with single deliveries, and leave its store empty.

    Args:
        contender: A running one.
        directory: For a file of deliveries.

    Raises:
        WorkNotDone: It takes what it should refuse, or stores something else than was sent.
    """
    made = write(directory / "proof", contender.usual, 2)
    if _status(contender, made) != 200:
        raise WorkNotDone(f"{contender.name} does not answer 200 to a good delivery")
    if contender.store is None:
        return
    _prove_refusals(contender, made, directory)
    _prove_entries(contender, made)
    contender.store.empty()
    made.path.unlink()


def _prove_refusals(contender: Contender, made: Deliveries, directory: Path) -> None:
    if _status(contender, made) != 200:
        raise WorkNotDone(f"{contender.name} does not answer 200 to a repeated delivery")
    old = write(directory / "old", contender.usual, 1, age_seconds=1000)
    changed = (*made.pieces[:-1], made.pieces[-1].replace(b"blue", b"grey"))
    cases = {"a changed body": replace(made, pieces=changed)}
    if FORMS[contender.sender].signs_time:
        cases["an old signature"] = old
    for what, refused in cases.items():
        if _status(contender, refused) != 401:
            raise WorkNotDone(f"{contender.name} does not answer 401 to {what}")
    old.path.unlink()


def _prove_entries(contender: Contender, made: Deliveries) -> None:
    assert contender.store is not None
    form, (_, body) = FORMS[contender.sender], split(made.request(0))
    if (ids := list(contender.event_ids())) != [form.stored_id(made.event_id(0))]:
        raise WorkNotDone(f"{contender.name} has {len(ids)} entries of one event sent twice")
    (stream,) = contender.store.streams(contender.streams)
    entry = contender.store.first_entry(stream)
    fields = FIELDS - form.no_fields | form.more_fields
    if entry.keys() != fields:
        raise WorkNotDone(f"{contender.name} has other fields: {sorted(entry.keys() ^ fields)}")
    # Of a body that is split, an entry has its own part.
    if entry[b"data"] not in body if form.more_fields else entry[b"data"] != body:
        raise WorkNotDone(f"{contender.name} stores another body than was sent")


def _status(contender: Contender, made: Deliveries) -> int:
    """Send the first delivery of a file, and give the status it is answered with."""
    request = made.request(0)
    headers, body = split(request)
    path = request.split(b" ", 2)[1].decode()
    connection = http.client.HTTPConnection("127.0.0.1", contender.port, timeout=10)
    try:
        connection.request("POST", path, body=body, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
