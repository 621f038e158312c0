"""The implementations that are not ours, asked for the signatures that senders have published."""

from dataclasses import replace

import pytest

from tests.independent.ask import Independent, Question

FORM = {"content-type": "application/x-www-form-urlencoded"}
MY_COMPANY = "https://mycompany.com/myapp.php?foo=1&bar=2"

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
GITHUB = (
    Question(body=b"Hello, World!", headers={}, secret="It's a Secret to Everybody"),
    {
        "x-hub-signature-256": "sha256="
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    },
)
# https://developer.atlassian.com/cloud/jira/platform/webhooks/
JIRA = (
    Question(body=b"Hello World!", headers={}, secret="It's a Secret to Everybody"),
    {"x-hub-signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"},
)
# https://docs.slack.dev/authentication/verifying-requests-from-slack/
SLACK = (
    Question(
        body=b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
        b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        headers={},
        secret="8f742231b10e8888abcd99yyyzzz85a5",
        timestamp=1531420618,
    ),
    {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    },
)
# https://www.twilio.com/docs/usage/webhooks/webhooks-security
TWILIO = (
    Question(
        body=b"CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234"
        b"&From=%2B12349013030&To=%2B18005551212",
        headers=FORM,
        secret="12345",
        url=MY_COMPANY,
    ),
    {"x-twilio-signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ="},
)
# The same page, before.
TWILIO_BEFORE = (
    Question(
        body=b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234"
        b"&From=%2B14158675309&To=%2B18005551212",
        headers=FORM,
        secret="12345",
        url=MY_COMPANY,
    ),
    {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
)
# https://docs.svix.com/receiving/verifying-payloads/how-manual
SVIX = (
    Question(
        body=b'{"test": 2432232314}',
        headers={},
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        timestamp=1614265330,
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
    ),
    {
        "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "svix-timestamp": "1614265330",
        "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
)
# https://github.com/svix/svix-webhooks, the tests of its library in Rust
SVIX_RUST = (
    Question(
        body=b'{"email":"test@example.com","username":"test_user"}',
        headers={},
        secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        timestamp=1649367553,
        id="msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
    ),
    {
        "svix-id": "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        "svix-timestamp": "1649367553",
        "svix-signature": "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    },
)

PUBLISHED = {
    "github": ("@octokit/webhooks-methods", *GITHUB),
    "jira": ("x-hub-signature/jira", *JIRA),
    "slack": ("slack-sdk", *SLACK),
    "twilio": ("twilio", *TWILIO),
    "twilio-before": ("twilio", *TWILIO_BEFORE),
    "svix": ("svix", *SVIX),
    "svix-rust": ("svix", *SVIX_RUST),
}

# https://github.com/sendgrid/sendgrid-python, the tests of its event webhook
SENDGRID = Question(
    body=b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",'
    b'"timestamp":1600112492}]\r\n',
    headers={
        "x-twilio-email-event-webhook-timestamp": "1600112502",
        "x-twilio-email-event-webhook-signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZU"
        "AiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
    },
    public_key="MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVK"
    "S3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==",
)


@pytest.mark.parametrize(("name", "asked", "headers"), PUBLISHED.values(), ids=PUBLISHED)
def test_an_implementation_signs_as_its_sender_has_published(
    name: str, asked: Question, headers: dict[str, str], independent: Independent
) -> None:
    """What is published is too old for who looks at the clock, so it is made again."""
    signed = independent.sign(name, asked)

    assert signed.headers == headers


def test_the_published_signature_of_sendgrid_is_accepted(independent: Independent) -> None:
    """Nobody but SendGrid can make it again."""
    accepted = independent.verify("sendgrid", SENDGRID)

    assert accepted


def test_the_published_signature_of_sendgrid_is_refused_for_another_body(
    independent: Independent,
) -> None:
    """One bit is enough."""
    other = SENDGRID.body.replace(b"dropped", b"dropqed")

    accepted = independent.verify("sendgrid", replace(SENDGRID, body=other))

    assert not accepted
