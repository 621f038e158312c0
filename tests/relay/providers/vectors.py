"""Signatures that were computed apart from this project, for the presets to verify.

Those that the sender has published, or its own libraries' tests, come with the package. The others
were computed from the senders' formulas with another implementation; nobody publishes them.
"""

from typing import Any

from relay.proving import Vector, published

TIME = 1_700_000_000
TIME_TEXT = str(TIME)
OWN_SECRET = "test_secret"
OWN_BODY = b'{"id":"evt_1","type":"test"}'
OWN_URL = "https://example.com/hook"
OWN_HEX = "1918211f463a84f4f942d1b32530c17eaa791c7b81e08249c1f4cb5259527ba7"
OWN_BASE64 = "GRghH0Y6hPT5QtGzJTDBfqp5HHuB4IJJwfTLUllSe6c="
OWN_TIMED = "1ad3c89e586a5fb78e4946a778aaa4a8072454d6dfd7d76335651f8682d06158"
OWN_VERSIONED = "v0=29c479fc3460aa1c43f8a1064a725c2fc0477906be054aed1a5265282f92fdf2"

MAILGUN_SIGNATURE = "525199ae40d4aeff6c52cc7bb9269cac1540813e7aae9a35d2477d1d70b1dcf1"
MAILGUN_BODY = (
    b'{"signature":{"timestamp":"1700000000","token":"tok123","signature":"%b"},'
    b'"event-data":{"id":"evt_1","event":"delivered"}}' % MAILGUN_SIGNATURE.encode()
)
PUBLISHED = [vector for vector in published() if vector.is_taken]
(SENDGRID_BODY,) = (vector.body for vector in published() if vector.preset == "sendgrid")
(HUBSPOT_V1,) = (vector for vector in published() if not vector.is_taken)


def own(preset: str, header: str, value: str, **changes: Any) -> Vector:
    """Make one that nobody publishes, with the secret and the body that all of these have."""
    usual: dict[str, Any] = {"secret": OWN_SECRET, "body": OWN_BODY, "at": TIME}
    return Vector(preset=preset, header=header, value=value, **(usual | changes))


OWN = [
    *(
        own(preset, header, f"t={TIME},{key}={OWN_TIMED}")
        for preset, header, key in (
            ("unipile", "unipile-signature", "v0"),
            ("stripe", "stripe-signature", "v1"),
            ("calendly", "calendly-webhook-signature", "v1"),
        )
    ),
    own(
        "paddle",
        "paddle-signature",
        f"ts={TIME};h1=3766adcac298573358c87968ee1068c1aa6320e7a6538452aab6336c9891ff0f",
    ),
    *(
        own(preset, header, OWN_VERSIONED, headers={time: TIME_TEXT})
        for preset, header, time in (
            ("slack", "x-slack-signature", "x-slack-request-timestamp"),
            ("zoom", "x-zm-signature", "x-zm-request-timestamp"),
        )
    ),
    *(
        own(preset, header, f"sha256={OWN_HEX}")
        for preset, header in (
            ("github", "x-hub-signature-256"),
            ("meta", "x-hub-signature-256"),
            ("notion", "x-notion-signature"),
            ("bitbucket", "x-hub-signature"),
            ("jira", "x-hub-signature"),
        )
    ),
    own("dropbox", "x-dropbox-signature", OWN_HEX),
    own(
        "intercom",
        "x-hub-signature",
        "sha1=1cd7f63f90923a45cca8b0a840d33a9c29eacf0c",
    ),
    own("shopify", "x-shopify-hmac-sha256", OWN_BASE64),
    own("typeform", "typeform-signature", f"sha256={OWN_BASE64}"),
    own(
        "zendesk",
        "x-zendesk-webhook-signature",
        "TQaR1Q778zl1m9AZ7KVyj6b/R1bSYuGv5EF67tKF1cY=",
        headers={"x-zendesk-webhook-signature-timestamp": "2023-11-14T22:13:20Z"},
    ),
    own(
        "square",
        "x-square-hmacsha256-signature",
        "AYpN3WSMd20RnzAY4fWchb/3k6/7pqb2fofFOe4zXXE=",
        url=OWN_URL,
    ),
    own(
        "hubspot",
        "x-hubspot-signature-v3",
        "KeMp67rBwevfuUL01PRjAykjHCnr7BvYJOq6DkB9dm4=",
        headers={"x-hubspot-request-timestamp": f"{TIME}000"},
        url=OWN_URL,
    ),
    own("mailgun", "", "", body=MAILGUN_BODY),
    own(
        "standard-webhooks",
        "webhook-signature",
        "v1,h2IUHYTQEbh1uH5rQj8N6dDHyP7RdQC9xpxxx0YsL6A=",
        headers={"webhook-id": "msg_1", "webhook-timestamp": TIME_TEXT},
        secret="whsec_dGVzdF9zZWNyZXRfdGVzdF9zZWNyZXQ=",
    ),
]

# The body of the others has no time in it, and Linear's signed one must: the signature is right,
# which is judged first, and the delivery is refused for its time alone.
LINEAR = own("linear", "linear-signature", OWN_HEX)
