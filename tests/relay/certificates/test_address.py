"""Which URLs of a sender may be fetched."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

import relay
from relay.certificates.address import (
    Address,
    paypal_certificate,
    sns_certificate,
    sns_subscription,
)
from tests.relay.certificates.hostile import GOOD_PAYPAL, GOOD_SNS, hostile

PEM = "SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
TOPIC = "arn:aws:sns:us-west-2:123456789012:My-Topic_1"
TOKEN = "2336412f37fb687f5d51e6e241d09c80"
SUBSCRIBE = (
    f"https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}"
    f"&Token={TOKEN}"
)


@pytest.mark.parametrize(
    "host",
    [
        "sns.us-east-1.amazonaws.com",
        "sns.ap-southeast-2.amazonaws.com",
        "sns.us-gov-west-1.amazonaws.com",
        "sns.cn-north-1.amazonaws.com.cn",
        "sns.cn-northwest-1.amazonaws.com.cn",
    ],
)
def test_certificates_of_sns_are_taken_in_every_region(host: str) -> None:
    """The URL goes out to the letter as it came."""
    url = f"https://{host}/{PEM}"

    assert sns_certificate(url) == Address(url)


@pytest.mark.parametrize("host", ["api.paypal.com", "api.sandbox.paypal.com"])
def test_certificates_of_paypal_and_its_sandbox_are_taken(host: str) -> None:
    """Both are PayPal's own."""
    url = f"https://{host}/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"

    assert paypal_certificate(url) == Address(url)


@pytest.mark.parametrize("url", hostile(GOOD_SNS))
def test_a_bent_url_of_sns_is_refused(url: str) -> None:
    """Whoever can post can write any of these."""
    assert sns_certificate(url) is None


@pytest.mark.parametrize("url", hostile(GOOD_PAYPAL))
def test_a_bent_url_of_paypal_is_refused(url: str) -> None:
    """Whoever can post can write any of these."""
    assert paypal_certificate(url) is None


@pytest.mark.parametrize(
    "host",
    [
        "sns.amazonaws.com",
        "sns.cn-north-1.amazonaws.com",
        "sns.us-east-1.amazonaws.com.cn",
        "sqs.us-east-1.amazonaws.com",
        "s3.amazonaws.com",
        "sns.us-east-1.s3.amazonaws.com",
        "sns.bucket.amazonaws.com",
        "sns.us_east-1.amazonaws.com",
        "sns.us-east-1-.amazonaws.com",
        f"sns.us-{'a' * 70}-1.amazonaws.com",
    ],
)
def test_other_hosts_of_amazon_are_refused(host: str) -> None:
    """Customers of Amazon choose what many of its hosts serve."""
    assert sns_certificate(f"https://{host}/{PEM}") is None


@pytest.mark.parametrize("value", [None, 1, True, [], {}, GOOD_SNS.encode(), [GOOD_SNS]])
def test_what_is_no_text_is_refused(value: object) -> None:
    """JSON may hold anything where a URL belongs."""
    assert sns_certificate(value) is None
    assert paypal_certificate(value) is None
    assert sns_subscription(value, TOPIC, TOKEN) is None


def test_neither_sender_may_name_what_belongs_to_the_other() -> None:
    """Each endpoint fetches from the hosts of its own sender."""
    assert sns_certificate(GOOD_PAYPAL) is None
    assert paypal_certificate(GOOD_SNS) is None
    assert sns_certificate(SUBSCRIBE) is None


def test_the_url_of_a_subscription_is_taken() -> None:
    """It confirms the topic of its own message."""
    assert sns_subscription(SUBSCRIBE, TOPIC, TOKEN) == Address(SUBSCRIBE)


@pytest.mark.parametrize(
    "url",
    [
        SUBSCRIBE.replace("ConfirmSubscription", "Unsubscribe"),
        SUBSCRIBE.replace("My-Topic_1", "Other"),
        SUBSCRIBE.replace("123456789012", "210987654321"),
        SUBSCRIBE.replace(TOKEN, f"{TOKEN[:-1]}1"),
        SUBSCRIBE.replace(TOKEN, ""),
        SUBSCRIBE.replace(TOPIC, TOPIC.replace(":", "%3A")),
        f"{SUBSCRIBE}&AuthenticateOnUnsubscribe=true",
        f"{SUBSCRIBE}&Action=DeleteTopic",
        SUBSCRIBE.replace("/?", "/?x=1&"),
        SUBSCRIBE.replace("/?", "/x?"),
        SUBSCRIBE.replace("/?", "?"),
        SUBSCRIBE.replace("sns.", "sqs."),
        f"{SUBSCRIBE}#x",
        f"{SUBSCRIBE}\n",
        *hostile(SUBSCRIBE),
    ],
)
def test_a_bent_url_of_a_subscription_is_refused(url: str) -> None:
    """It would do something else, or for another topic, or elsewhere."""
    assert sns_subscription(url, TOPIC, TOKEN) is None


@given(st.text() | st.sampled_from([GOOD_SNS, GOOD_PAYPAL]), st.integers(0, 120), st.characters())
def test_what_is_taken_goes_out_to_the_letter_to_an_allowed_host(
    text: str, at: int, character: str
) -> None:
    """However a good URL is changed in one place, what is still taken is read in one way only."""
    changed = text[:at] + character + text[at + 1 :]
    for found in (sns_certificate(changed), paypal_certificate(changed)):
        if found is None:
            continue
        url = URL(found.url, encoded=True)

        assert str(url) == str(URL(found.url)) == changed
        assert (url.scheme, url.explicit_port, url.user, url.query_string) == (
            "https",
            None,
            None,
            "",
        )
        assert str(url.host).endswith((".amazonaws.com", ".amazonaws.com.cn", ".paypal.com"))


def test_only_one_module_makes_addresses() -> None:
    """What may be fetched is judged in one place."""
    makers = {
        path.name
        for path in Path(relay.__file__).parent.rglob("*.py")
        if "relay.certificates.address" in (text := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Address"
    }

    assert makers == set()
