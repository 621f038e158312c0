"""The signature is the published one."""

from relay.unipile.stand_in.sign import sign
from tests.signing import signature_header

SECRET = "wes_testsecret_0000000000000000000"
BODY = (
    '{"id":"evt_test0001","created_at":"2026-10-12T09:14:07.512Z","account_id":"acc_test0001",'
    '"type":"message.new","payload":{"object":"Message","id":"m-1","chat_id":"c-1",'
    '"sender_id":"u-1","text":"héllo","timestamp":"2026-10-12T09:14:06.000Z","is_sender":false}}'
).encode()


def test_the_signature_is_that_of_the_vector() -> None:
    """Time, a dot and the exact bytes, with the whole secret."""
    assert len(BODY) == 259
    assert sign(SECRET, 1791796448, BODY) == (
        "t=1791796448,v0=a8800c5e7499fca84d3734dacc86f1909c276edaaa3048b61229975a00f2f2a1"
    )


def test_it_is_the_one_that_the_other_tests_make() -> None:
    """Two descriptions of one thing."""
    body = b"\x00\xff not JSON"

    assert sign(SECRET, 12, body) == signature_header(body, 12, SECRET)
