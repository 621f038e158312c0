"""The implementations that are not ours, asked about deliveries that were made without our code."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.independent.ask import Independent, Question, Unable
from tests.independent.genuine import changed, genuine
from tests.independent.implementations import IMPLEMENTATIONS, Language
from tests.independent.keys import Keys

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")

SIGNING = [name for name, known in IMPLEMENTATIONS.items() if known.can_sign]
COVERING = [name for name, known in IMPLEMENTATIONS.items() if known.covers_body]


def now() -> int:
    """Give the time at which a delivery is sent, for implementations that look at their clock."""
    return int(time.time())


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_a_genuine_delivery_is_accepted(name: str, independent: Independent, keys: Keys) -> None:
    """What the sender's description says is what the implementation looks for."""
    accepted = independent.verify(name, genuine(name, keys, now()))

    assert accepted


@pytest.mark.parametrize("name", COVERING)
def test_a_body_with_one_bit_changed_is_refused(
    name: str, independent: Independent, keys: Keys
) -> None:
    """An adapter that accepted whatever it is asked would prove nothing."""
    sent = genuine(name, keys, now())

    accepted = independent.verify(name, replace(sent, body=changed(sent.body)))

    assert not accepted


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_a_delivery_of_who_does_not_know_the_secret_is_refused(
    name: str, independent: Independent, keys: Keys, stranger: Keys
) -> None:
    """Also where nothing is signed, what both know is compared."""
    known, sent = genuine(name, keys, now()), genuine(name, stranger, now())

    accepted = independent.verify(name, replace(known, body=sent.body, headers=sent.headers))

    assert not accepted


@pytest.mark.parametrize("name", SIGNING)
def test_what_an_implementation_signs_it_accepts(
    name: str, independent: Independent, keys: Keys
) -> None:
    """What it adds to a delivery is all that its receiver needs beside what was sent with it."""
    at = now()
    sent = replace(genuine(name, keys, at), timestamp=at)

    signed = independent.sign(name, sent)

    headers = sent.headers | signed.headers
    assert independent.verify(name, replace(sent, body=signed.body, headers=headers))


@pytest.mark.parametrize("name", SIGNING)
def test_what_an_implementation_signs_is_what_the_description_says(
    name: str, independent: Independent, keys: Keys
) -> None:
    """Both signatures are the same, and in the same headers."""
    at = now()
    sent = replace(genuine(name, keys, at), timestamp=at)

    signed = independent.sign(name, sent)

    assert signed.headers.items() <= sent.headers.items()


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_the_adapters_offer_what_the_table_says(
    language: Language, independent: Independent
) -> None:
    """None is left out of the tests, and none is asked what it cannot do."""
    of = {name: known for name, known in IMPLEMENTATIONS.items() if known.language == language}

    offered = independent.offered(language)

    assert offered == {
        "verify": sorted(name for name, known in of.items() if known.can_verify),
        "sign": sorted(name for name, known in of.items() if known.can_sign),
    }


def test_an_implementation_that_fails_does_not_count_as_refusing(independent: Independent) -> None:
    """A delivery without the header that a library wants says nothing about a signature."""
    with pytest.raises(Unable, match="hubspot-api-client cannot verify: InvalidSignatureTimestamp"):
        independent.verify("hubspot-api-client", Question(body=b"{}", headers={}, secret="s"))


def test_forty_senders_have_an_implementation_that_was_written_for_them() -> None:
    """One that is for a scheme alone does not say that the sender uses it."""
    presets = {known.preset for known in IMPLEMENTATIONS.values() if known.author != "scheme"}

    assert len(presets) >= 40


def test_packages_are_those_that_are_installed() -> None:
    """The table names no package that make test does not install."""
    here = Path(__file__).parent
    installed = (here / "requirements.txt").read_text() + (here / "package.json").read_text()

    missing = [
        known.package for known in IMPLEMENTATIONS.values() if known.package not in installed
    ]

    assert missing == []
