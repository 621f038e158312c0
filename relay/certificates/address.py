"""Which URLs of a sender may be fetched: text in, an address or nothing out.

Whoever can post to an endpoint can write a URL into it, so the forms are those that the senders
use, to the letter. No URL is parsed: where two parsers read one text in two ways, a URL that was
judged harmless is fetched from somewhere else.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html;
https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html;
https://developer.paypal.com/api/rest/webhooks/rest/;
https://docs.aws.amazon.com/general/latest/gr/sns.html (the hosts of SNS)
"""

import re
from dataclasses import dataclass

# For example us-east-1, us-gov-west-1, ap-southeast-2; those of China have a domain of their own.
_REGION = r"[a-z]{2}(?:-[a-z]{2,16}){1,3}-[0-9]{1,2}"
_SNS_HOST = rf"sns\.(?:(?=cn-){_REGION}\.amazonaws\.com\.cn|(?!cn-){_REGION}\.amazonaws\.com)"
_TOPIC = (
    rf"arn:aws(?:-[a-z]{{2,8}}){{0,2}}:sns:{_REGION}:[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}(?:\.fifo)?"
)

_SNS_CERTIFICATE = re.compile(rf"https://{_SNS_HOST}/SimpleNotificationService-[0-9a-f]{{32}}\.pem")
_SNS_SUBSCRIPTION = re.compile(
    rf"https://{_SNS_HOST}/\?Action=ConfirmSubscription"
    rf"&TopicArn=(?P<topic>{_TOPIC})&Token=(?P<token>[0-9A-Za-z]{{1,1024}})"
)
_PAYPAL_CERTIFICATE = re.compile(
    r"https://api\.(?:sandbox\.)?paypal\.com/v1/notifications/certs/CERT-[0-9A-Za-z]{1,64}(?:-[0-9A-Za-z]{1,64}){0,4}"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A URL that may be fetched; only this module makes one.

    Args:
        url: ASCII, in the form that its sender uses, to be sent as it is.
    """

    url: str


def sns_certificate(text: object) -> Address | None:
    """Take ``SigningCertURL`` of an SNS message.

    Returns:
        Its address if it is a certificate on a host of SNS, else None.
    """
    return _address(_SNS_CERTIFICATE, text)


def paypal_certificate(text: object) -> Address | None:
    """Take the header ``PAYPAL-CERT-URL``.

    Returns:
        Its address if it is a certificate on PayPal's host or that of its sandbox, else None.
    """
    return _address(_PAYPAL_CERTIFICATE, text)


def sns_subscription(text: object, topic_arn: str, token: object) -> Address | None:
    """Take ``SubscribeURL`` of an SNS message whose signature was verified.

    Args:
        text: The URL.
        topic_arn: ``TopicArn`` of the same message, which the endpoint allows.
        token: ``Token`` of the same message.

    Returns:
        Its address if it confirms the subscription to this topic and does nothing else, else None.
    """
    found = _SNS_SUBSCRIPTION.fullmatch(text) if isinstance(text, str) else None
    if found is None or found["topic"] != topic_arn or found["token"] != token:
        return None
    return Address(found[0])


def _address(form: re.Pattern[str], text: object) -> Address | None:
    # fullmatch, since `$` would let a line break through.
    return Address(text) if isinstance(text, str) and form.fullmatch(text) else None
