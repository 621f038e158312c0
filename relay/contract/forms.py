"""What a form says, however it is written: its bytes in, the text that Twilio signs of it out.

One form can be written in many ways: percent-encoded more or less, a field twice, signs between
nothing. All of them have one signature, so all of them are one body.

Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from urllib.parse import parse_qs

# Twilio sends some dozens.
MAX_FIELDS = 1000


def signed_form(body: bytes) -> str:
    """Give names in order, and of each its different values in order, with nothing between.

    Raises:
        ValueError: It is no form of UTF-8, or has more than `MAX_FIELDS` fields.
    """
    form = parse_qs(
        body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
    )
    return "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
