"""Receivers behind TLS."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from relay.conformance import CHECKS, Unreachable, examine
from relay.conformance.address import Address
from relay.conformance.verdict import Verdict
from tests.conformance.aiming import target
from tests.conformance.receiver import Receiver


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """One that nobody vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("this machine has no openssl")
    key, cert = tmp_path / "key", tmp_path / "cert"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


async def test_a_receiver_behind_tls_is_examined(certificate: ssl.SSLContext) -> None:
    """Cuts, chunks and thousands of bytes go the same way."""
    receiver = Receiver()
    async with receiver.running(certificate):
        url = receiver.url.replace("http:", "https:")
        address = Address.parse(url, insecure=True)
        report = await examine(target(receiver, address=address, at_once=10), CHECKS)

    assert {result.verdict for result in report.results} == {Verdict.PASSED}, report.results


async def test_a_certificate_that_nobody_vouches_for_is_not_taken(
    certificate: ssl.SSLContext,
) -> None:
    """It is said, and nothing is sent."""
    receiver = Receiver()
    async with receiver.running(certificate):
        address = Address.parse(receiver.url.replace("http:", "https:"))
        with pytest.raises(Unreachable, match="certificate"):
            await examine(target(receiver, address=address), CHECKS)

    assert receiver.stored == []
