"""Signatures that were computed apart from this project, for the presets to verify.

Those with a page in ``source`` are published by the sender, or by its own libraries' tests. The
others were computed from the senders' formulas with another implementation; nobody publishes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

TIME = 1_700_000_000
TIME_TEXT = str(TIME)
OWN_SECRET = "test_secret"
OWN_BODY = b'{"id":"evt_1","type":"test"}'
OWN_URL = "https://example.com/hook"
OWN_HEX = "1918211f463a84f4f942d1b32530c17eaa791c7b81e08249c1f4cb5259527ba7"
OWN_BASE64 = "GRghH0Y6hPT5QtGzJTDBfqp5HHuB4IJJwfTLUllSe6c="
OWN_TIMED = "1ad3c89e586a5fb78e4946a778aaa4a8072454d6dfd7d76335651f8682d06158"
OWN_VERSIONED = "v0=29c479fc3460aa1c43f8a1064a725c2fc0477906be054aed1a5265282f92fdf2"

GITHUB_SECRET = "It's a Secret to Everybody"
GITHUB_PAGE = (
    "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"
    "#testing-the-webhook-payload-validation"
)
JIRA_PAGE = "https://developer.atlassian.com/cloud/jira/platform/webhooks/"
BITBUCKET_PAGE = "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/"
ATLASSIAN = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
SLACK_PAGE = "https://docs.slack.dev/authentication/verifying-requests-from-slack/"
TWILIO_PAGE = "https://www.twilio.com/docs/usage/webhooks/webhooks-security"
TWILIO_LIBRARY = (
    "https://github.com/twilio/twilio-python/blob/main/tests/unit/test_request_validator.py"
)
SVIX_PAGE = "https://docs.svix.com/receiving/verifying-payloads/how-manual"
SVIX_LIBRARY = "https://github.com/svix/svix-webhooks/blob/main/rust/src/webhooks.rs"
SENDGRID_LIBRARY = (
    "https://github.com/sendgrid/sendgrid-python/blob/main/test/unit/test_eventwebhook.py"
)
HUBSPOT_PAGE = "https://developers.hubspot.com/docs/faq/v1-request-validation"

SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
    b"%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SENDGRID_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",'
    b'"timestamp":1600112492}]\r\n'
)
HUBSPOT_BODY = (
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
    b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,'
    b'"changeSource":"CRM","changeFlag":"NEW","appId":54321}]'
)
HUBSPOT_V1 = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
MAILGUN_SIGNATURE = "525199ae40d4aeff6c52cc7bb9269cac1540813e7aae9a35d2477d1d70b1dcf1"
MAILGUN_BODY = (
    b'{"signature":{"timestamp":"1700000000","token":"tok123","signature":"%b"},'
    b'"event-data":{"id":"evt_1","event":"delivered"}}' % MAILGUN_SIGNATURE.encode()
)
_CALL = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
_NEWER_CALL = _CALL | {"Caller": "+12349013030", "From": "+12349013030"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """A delivery with the signature that it must have.

    Args:
        preset: Verifies it.
        header: Has the signature; empty where that stands in the body.
        value: Of this header.
        headers: What else belongs to it.
        secret: Of the endpoint.
        body: The bytes that were signed.
        url: As the sender knows it, without a query.
        query: Without ``?``.
        at: When it was sent, Unix seconds.
        is_repeatable: Whether a second signature is the same.
        source: The public page that has it; empty where it is not published.
    """

    preset: str
    header: str
    value: str
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str = OWN_SECRET
    body: bytes = OWN_BODY
    url: str | None = None
    query: str = ""
    at: int = TIME
    is_repeatable: bool = True
    source: str = ""


def _twilio(call: Mapping[str, str], value: str, source: str) -> Vector:
    return Vector(
        preset="twilio",
        header="x-twilio-signature",
        value=value,
        secret="12345",
        body=urlencode(call).encode(),
        url="https://mycompany.com/myapp.php",
        query="foo=1&bar=2",
        source=source,
    )


def _standard(preset: str, prefix: str, number: int) -> Vector:
    event_id, at, secret, body, value, source = _STANDARD[number]
    return Vector(
        preset=preset,
        header=f"{prefix}-signature",
        value=value,
        headers={f"{prefix}-id": event_id, f"{prefix}-timestamp": str(at)},
        secret=secret,
        body=body,
        at=at,
        source=source,
    )


_STANDARD = [
    (
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        SVIX_PAGE,
    ),
    (
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1649367553,
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        b'{"email":"test@example.com","username":"test_user"}',
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        SVIX_LIBRARY,
    ),
    (
        "msg_1",
        TIME,
        "whsec_dGVzdF9zZWNyZXRfdGVzdF9zZWNyZXQ=",
        OWN_BODY,
        "v1,h2IUHYTQEbh1uH5rQj8N6dDHyP7RdQC9xpxxx0YsL6A=",
        "",
    ),
]

PUBLISHED = [
    Vector(
        preset="github",
        header="x-hub-signature-256",
        value="sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        secret=GITHUB_SECRET,
        body=b"Hello, World!",
        source=GITHUB_PAGE,
    ),
    *(
        Vector(
            preset=preset,
            header="x-hub-signature",
            value=ATLASSIAN,
            secret=GITHUB_SECRET,
            body=b"Hello World!",
            source=page,
        )
        for preset, page in (("jira", JIRA_PAGE), ("bitbucket", BITBUCKET_PAGE))
    ),
    Vector(
        preset="slack",
        header="x-slack-signature",
        value="v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        headers={"x-slack-request-timestamp": "1531420618"},
        secret="8f742231b10e8888abcd99yyyzzz85a5",
        body=SLACK_BODY,
        at=1531420618,
        source=SLACK_PAGE,
    ),
    _twilio(_CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", TWILIO_LIBRARY),
    _twilio(_NEWER_CALL, "0/KCTR6DLpKmkAf8muzZqo1nDgQ=", TWILIO_PAGE),
    _standard("svix", "svix", 0),
    _standard("standard-webhooks", "webhook", 0),
    _standard("svix", "svix", 1),
    Vector(
        preset="sendgrid",
        header="x-twilio-email-event-webhook-signature",
        value=(
            "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M"
            "15TluLtEZtM="
        ),
        headers={"x-twilio-email-event-webhook-timestamp": "1600112502"},
        secret=(
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3G"
            "Rqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
        ),
        body=SENDGRID_BODY,
        at=1600112502,
        # ECDSA takes another random number each time.
        is_repeatable=False,
        source=SENDGRID_LIBRARY,
    ),
]

OWN = [
    *(
        Vector(preset=preset, header=header, value=f"t={TIME},{key}={OWN_TIMED}")
        for preset, header, key in (
            ("unipile", "unipile-signature", "v0"),
            ("stripe", "stripe-signature", "v1"),
            ("calendly", "calendly-webhook-signature", "v1"),
        )
    ),
    Vector(
        preset="paddle",
        header="paddle-signature",
        value=f"ts={TIME};h1=3766adcac298573358c87968ee1068c1aa6320e7a6538452aab6336c9891ff0f",
    ),
    *(
        Vector(preset=preset, header=header, value=OWN_VERSIONED, headers={time: TIME_TEXT})
        for preset, header, time in (
            ("slack", "x-slack-signature", "x-slack-request-timestamp"),
            ("zoom", "x-zm-signature", "x-zm-request-timestamp"),
        )
    ),
    *(
        Vector(preset=preset, header=header, value=f"sha256={OWN_HEX}")
        for preset, header in (
            ("github", "x-hub-signature-256"),
            ("meta", "x-hub-signature-256"),
            ("notion", "x-notion-signature"),
            ("bitbucket", "x-hub-signature"),
            ("jira", "x-hub-signature"),
        )
    ),
    Vector(preset="dropbox", header="x-dropbox-signature", value=OWN_HEX),
    Vector(
        preset="intercom",
        header="x-hub-signature",
        value="sha1=1cd7f63f90923a45cca8b0a840d33a9c29eacf0c",
    ),
    Vector(preset="shopify", header="x-shopify-hmac-sha256", value=OWN_BASE64),
    Vector(preset="typeform", header="typeform-signature", value=f"sha256={OWN_BASE64}"),
    Vector(
        preset="zendesk",
        header="x-zendesk-webhook-signature",
        value="TQaR1Q778zl1m9AZ7KVyj6b/R1bSYuGv5EF67tKF1cY=",
        headers={"x-zendesk-webhook-signature-timestamp": "2023-11-14T22:13:20Z"},
    ),
    Vector(
        preset="square",
        header="x-square-hmacsha256-signature",
        value="AYpN3WSMd20RnzAY4fWchb/3k6/7pqb2fofFOe4zXXE=",
        url=OWN_URL,
    ),
    Vector(
        preset="hubspot",
        header="x-hubspot-signature-v3",
        value="KeMp67rBwevfuUL01PRjAykjHCnr7BvYJOq6DkB9dm4=",
        headers={"x-hubspot-request-timestamp": f"{TIME}000"},
        url=OWN_URL,
    ),
    Vector(preset="mailgun", header="", value="", body=MAILGUN_BODY),
    _standard("standard-webhooks", "webhook", 2),
]

# The body of the others has no time in it, and Linear's signed one must: the signature is right,
# which is judged first, and the delivery is refused for its time alone.
LINEAR = Vector(preset="linear", header="linear-signature", value=OWN_HEX)
