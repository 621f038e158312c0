"""Messages of AWS SNS: the parsed message and its certificate in, yes or no out.

A yes says that SNS signed it, for whichever customer of AWS: whose topic it is of, the caller
checks first. Not signed, and so not to be relied on: ``UnsubscribeURL``, ``MessageAttributes``, and
every key that is not named here.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html;
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from collections.abc import Mapping

from relay.verify.certified import Digest, is_current, is_signed, read_chain, read_signature, sign

DIGESTS: Mapping[str, Digest] = {"1": "sha1", "2": "sha256"}

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED_KEYS = tuple(dict.fromkeys((*_NOTIFICATION, *_CONFIRMATION)))
_SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}


def verify_message(
    message: Mapping[str, object],
    pem: bytes,
    *,
    now_seconds: float,
) -> bool:
    """Tell whether SNS signed a message.

    Args:
        message: The body, parsed.
        pem: What was fetched from its ``SigningCertURL``. That it came from there is all that makes
            it a certificate of SNS.
        now_seconds: Unix seconds.
    """
    version = message.get("SignatureVersion")
    digest = DIGESTS.get(version) if isinstance(version, str) else None
    signature = read_signature(message.get("Signature"))
    text = signed_text(message)
    if digest is None or signature is None or text is None:
        return False
    chain = read_chain(pem)
    if chain is None or not is_current(chain[0], now_seconds):
        return False
    return is_signed(chain[0], digest, text, signature)


def signed_text(message: Mapping[str, object]) -> bytes | None:
    """Put a message into the form that is signed: each key and its value on a line of its own.

    Returns:
        The text; None where a key is missing, or is no text. Only ``Message`` may have several
        lines: elsewhere a line break would let two messages share one signed form, with the
        borders between their keys elsewhere.
    """
    kind = message.get("Type")
    keys = _SIGNED.get(kind) if isinstance(kind, str) else None
    if keys is None:
        return None
    lines: list[str] = []
    for key in keys:
        value = message.get(key)
        if key == "Subject" and value is None:
            continue
        if not isinstance(value, str) or (key != "Message" and not _is_one_line(value)):
            return None
        lines += (key, value)
    try:
        return "".join(f"{line}\n" for line in lines).encode()
    except UnicodeEncodeError:
        return None


def sign_message(
    message: Mapping[str, str], key_pem: bytes, *, version: str = "2"
) -> dict[str, str]:
    """Sign a message as SNS does.

    Args:
        message: With all keys that its type has, but those of the signature.
        key_pem: A private RSA key without a password.
        version: ``1`` or ``2``.

    Returns:
        The message with ``SignatureVersion`` and ``Signature``.

    Raises:
        ValueError: A signed key is missing, or the key or version is none.
    """
    text, digest = signed_text(message), DIGESTS.get(version)
    if text is None or digest is None:
        raise ValueError("the message has not all keys that SNS signs")
    signature = sign(key_pem, digest, text)
    return {**message, "SignatureVersion": version, "Signature": signature}


def _is_one_line(value: str) -> bool:
    return "\n" not in value
