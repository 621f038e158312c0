"""Transmissions of PayPal: what is signed, by whom, and who vouches for that."""

import base64
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from relay.certificates.roots import system_roots
from relay.verify.paypal import Transmission, sign_transmission, signed_text, verify_transmission
from tests.issuing import NOW, Issued, issue, rsa_key

NAME = "messageverificationcerts.paypal.com"
WEBHOOK = "9XL90610J3647323C"
BODY = b'{"id":"WH-9UG43882HX7271132-6E0871324L7949614","event_type":"PAYMENT.SALE.COMPLETED"}'
ID = "d938e770-8046-11e6-8103-6b62a8a99ac4"
TIME = "2016-09-21T22:00:46Z"

ROOT = issue("A root", authority=True)
BETWEEN = issue("Between", by=ROOT, authority=True)
SIGNER = issue(NAME, by=BETWEEN)
CHAIN = SIGNER.pem + BETWEEN.pem
OTHER_ROOT = issue("A root", key=rsa_key("another root"), authority=True)


def transmission(signer: Issued = SIGNER, body: bytes = BODY) -> Transmission:
    """Sign a body as PayPal does."""
    made = sign_transmission(body, WEBHOOK, signer.key_pem, id_=ID, time=TIME)
    return Transmission(
        id=made["PAYPAL-TRANSMISSION-ID"],
        time=made["PAYPAL-TRANSMISSION-TIME"],
        algorithm=made["PAYPAL-AUTH-ALGO"],
        signature=made["PAYPAL-TRANSMISSION-SIG"],
    )


GOOD = transmission()


def verified(
    sent: Transmission = GOOD, body: bytes = BODY, pem: bytes = CHAIN, **options: Any
) -> bool:
    """Judge a transmission at the moment for which the certificates are made."""
    webhook_id = options.pop("webhook_id", WEBHOOK)
    return verify_transmission(
        sent, body, webhook_id, pem, **{"roots": ROOT.pem, "now_seconds": NOW, **options}
    )


def test_the_signed_text_has_four_parts() -> None:
    """The last is the CRC-32 of the body, as a decimal number."""
    assert signed_text(ID, TIME, WEBHOOK, b"123456789") == (
        f"{ID}|{TIME}|{WEBHOOK}|{0xCBF43926}".encode()
    )


@pytest.mark.parametrize("name", [NAME, "messageverificationcerts.sandbox.paypal.com"])
@pytest.mark.parametrize("body", [BODY, b"", b"\xff\x00"])
def test_what_paypal_signs_is_verified(name: str, body: bytes) -> None:
    """Live and in the sandbox, whatever the body."""
    signer = issue(name, by=BETWEEN)

    assert verified(transmission(signer, body), body, signer.pem + BETWEEN.pem)


def test_what_openssl_signs_and_vouches_for_is_verified(tmp_path: Path) -> None:
    """Another implementation makes the same signature, and finds the same chain good."""
    for name, content in (
        ("key", SIGNER.key_pem),
        ("text", f"{ID}|{TIME}|{WEBHOOK}|{zlib.crc32(BODY)}".encode()),
        ("leaf", SIGNER.pem),
        ("between", BETWEEN.pem),
        ("root", ROOT.pem),
    ):
        (tmp_path / name).write_bytes(content)
    made = openssl(tmp_path, "dgst", "-sha256", "-sign", "key", "text")
    judged = openssl(
        tmp_path,
        *("verify", "-x509_strict", "-attime", str(int(NOW)), "-CAfile", "root"),
        *("-untrusted", "between", "leaf"),
    )

    assert verified(replace(GOOD, signature=base64.b64encode(made).decode()))
    assert judged == b"leaf: OK\n"


@given(at=st.integers(0, 8 * len(BODY) - 1))
def test_a_single_changed_bit_of_the_body_is_refused(at: int) -> None:
    """Its CRC-32 is another one."""
    changed = bytearray(BODY)
    changed[at // 8] ^= 1 << (at % 8)

    assert not verified(body=bytes(changed))


@given(data=st.data())
def test_a_single_changed_bit_of_a_header_is_refused(data: st.DataObject) -> None:
    """In the id, the time, the algorithm and the signature."""
    key = data.draw(st.sampled_from(["id", "time", "algorithm", "signature"]))
    text = getattr(GOOD, key)
    at = data.draw(st.integers(0, len(text) - 1))
    letter = chr(ord(text[at]) ^ (1 << data.draw(st.integers(0, 6))))

    assert not verified(replace(GOOD, **{key: text[:at] + letter + text[at + 1 :]}))


@given(st.text(), st.text(), st.text(), st.text(), st.binary(), st.binary())
def test_any_headers_and_any_certificate_are_refused(
    id_: str, time: str, algorithm: str, signature: str, body: bytes, pem: bytes
) -> None:
    """Nothing is raised, whatever was sent or fetched."""
    sent = Transmission(id=id_, time=time, algorithm=algorithm, signature=signature)

    assert not verified(sent, body, pem)
    assert not verified(pem=pem)
    assert not verified(replace(GOOD, id=id_))
    assert not verified(replace(GOOD, signature=signature))


@given(at=st.integers(0, len(CHAIN) - 1), bit=st.integers(0, 7))
def test_a_changed_chain_raises_nothing(at: int, bit: int) -> None:
    """What the changed bit makes of it is read as far as it can be."""
    changed = bytearray(CHAIN)
    changed[at] ^= 1 << bit

    assert verified(pem=bytes(changed)) in {True, False}


def test_another_webhook_is_refused() -> None:
    """A transmission for somebody else's webhook is genuine too."""
    assert not verified(webhook_id="8XL90610J3647323C")


@pytest.mark.parametrize(
    "algorithm", ["SHA1withRSA", "sha256withrsa", "none", "", "SHA256withRSA "]
)
def test_only_one_algorithm_is_taken(algorithm: str) -> None:
    """The header cannot choose a weaker one."""
    assert not verified(replace(GOOD, algorithm=algorithm))


def test_parts_cannot_hold_what_parts_them() -> None:
    """Else one signed text could be read as two transmissions."""
    assert signed_text(f"{ID}|x", TIME, WEBHOOK, BODY) is None
    assert signed_text(ID, f"{TIME}|x", WEBHOOK, BODY) is None
    assert signed_text(ID, TIME, "a|b", BODY) is None
    assert signed_text("", TIME, WEBHOOK, BODY) is None
    assert signed_text(ID, f"{TIME}\n", WEBHOOK, BODY) is None


@pytest.mark.parametrize(
    "pem",
    [
        SIGNER.pem,
        BETWEEN.pem + SIGNER.pem,
        issue(NAME, key=SIGNER.key).pem,
        issue(NAME, key=SIGNER.key, by=issue("Between", key=rsa_key("x"), authority=True)).pem
        + BETWEEN.pem,
        issue("evil.example", key=SIGNER.key, by=BETWEEN).pem + BETWEEN.pem,
        issue(f"{NAME}.evil.example", key=SIGNER.key, by=BETWEEN).pem + BETWEEN.pem,
        issue("evil.paypal.com", key=SIGNER.key, by=BETWEEN).pem + BETWEEN.pem,
        issue(NAME, key=SIGNER.key, by=SIGNER).pem + SIGNER.pem + BETWEEN.pem,
        issue(NAME, key=SIGNER.key, by=BETWEEN, ends=NOW - 1).pem + BETWEEN.pem,
        issue(NAME, key=SIGNER.key, by=BETWEEN, begins=NOW + 1).pem + BETWEEN.pem,
        SIGNER.pem + issue("Between", key=BETWEEN.key, by=ROOT, authority=True, ends=NOW - 1).pem,
        SIGNER.pem + BETWEEN.pem * 5,
        b"",
        SIGNER.key_pem,
    ],
    ids=[
        "nothing between",
        "another one first",
        "signed by itself",
        "another authority",
        "another name",
        "a longer name",
        "another name of paypal",
        "signed by one that may not",
        "ended",
        "not begun",
        "ended between",
        "too many",
        "empty",
        "a key",
    ],
)
def test_a_chain_that_does_not_lead_to_a_root_is_refused(pem: bytes) -> None:
    """The key is right in each of them, but nobody vouches that it is PayPal's."""
    assert verified()
    assert not verified(pem=pem)


@pytest.mark.parametrize("roots", [b"", b"none", OTHER_ROOT.pem])
def test_a_root_that_is_not_trusted_is_none(roots: bytes) -> None:
    """Having its name is not enough."""
    assert not verified(roots=roots)


@pytest.mark.parametrize("roots", [BETWEEN.pem, SIGNER.pem])
def test_a_certificate_nearer_to_the_signer_may_be_trusted(roots: bytes) -> None:
    """For where PayPal gives its own certificate alone."""
    assert verified(pem=SIGNER.pem, roots=roots)


def test_roots_that_cannot_be_read_take_nothing_from_the_others() -> None:
    """A system's bundle may hold some of those."""
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

    assert verified(roots=b"# Old\n" + broken + OTHER_ROOT.pem + b"# New\n" + ROOT.pem)


def test_a_certificate_of_another_kind_of_key_is_refused() -> None:
    """PayPal signs with RSA; nothing is raised for anything else."""
    odd = issue(NAME, key=ec.generate_private_key(ec.SECP256R1()), by=BETWEEN)

    assert not verified(pem=odd.pem + BETWEEN.pem)


def test_the_twin_signs_only_what_paypal_would() -> None:
    """A time in another form would be refused."""
    with pytest.raises(ValueError):
        sign_transmission(BODY, WEBHOOK, SIGNER.key_pem, id_=ID, time="now")


def test_another_body_with_the_same_checksum_is_not_told_from_it() -> None:
    """This is the scheme's own limit, which the module says."""
    other = b'{"id":"WH-1","event_type":"PAYMENT.SALE.REFUNDED","x":"'
    body = other + forged_tail(other, zlib.crc32(BODY))

    assert body != BODY
    assert verified(body=body)


@pytest.mark.parametrize("hashed", [False, True])
def test_the_systems_roots_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, hashed: bool
) -> None:
    """From one file, or from a directory in which OpenSSL finds them."""
    file = tmp_path / "0a1b2c3d.0"
    file.write_bytes(ROOT.pem)
    (tmp_path / "README").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none") if hashed else str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    assert verified(roots=system_roots())


def openssl(directory: Path, *arguments: str) -> bytes:
    """Run the program where the files are."""
    done = subprocess.run(
        ["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=30
    )
    return done.stdout


def forged_tail(start: bytes, wanted: int) -> bytes:
    """Make the four bytes after which a text has the CRC-32 that is wanted."""
    table = [_entry(byte) for byte in range(256)]
    by_top = {entry >> 24: byte for byte, entry in enumerate(table)}
    register = wanted ^ 0xFFFFFFFF
    for _ in range(4):
        byte = by_top[register >> 24]
        register = ((register ^ table[byte]) << 8 | byte) & 0xFFFFFFFF
    now = zlib.crc32(start) ^ 0xFFFFFFFF
    return (register ^ now).to_bytes(4, "little")


def _entry(byte: int) -> int:
    value = byte
    for _ in range(8):
        value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value
