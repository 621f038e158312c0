"""Which implementations that are not ours there are, and what each of them proves."""

from dataclasses import dataclass
from typing import Literal

Language = Literal["python", "javascript"]
# The sender itself; others who wrote it for this sender; others who wrote it for a scheme which
# this sender says it uses, or which looks the same.
Author = Literal["sender", "community", "scheme"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """An implementation of one sender's signature.

    Args:
        preset: Of the sender.
        package: On PyPI or npm.
        language: Which of the two.
        author: Who wrote it, for whom.
        covers_body: Whether a changed body is refused: some senders sign no body.
        can_sign: Whether it also makes signatures.
        can_verify: Whether it verifies them.
    """

    preset: str
    package: str
    language: Language
    author: Author = "sender"
    covers_body: bool = True
    can_sign: bool = False
    can_verify: bool = True


def _python(preset: str, package: str, author: Author = "sender", **more: bool) -> Implementation:
    return Implementation(preset=preset, package=package, language="python", author=author, **more)


def _npm(preset: str, package: str, author: Author = "sender", **more: bool) -> Implementation:
    return Implementation(
        preset=preset, package=package, language="javascript", author=author, **more
    )


def _nuxt(preset: str) -> Implementation:
    return _npm(preset, "nuxt-webhook-validators", "community")


IMPLEMENTATIONS: dict[str, Implementation] = {
    # The senders' own.
    "@linear/sdk": _npm("linear", "@linear/sdk"),
    "@notionhq/client": _npm("notion", "@notionhq/client", can_sign=True),
    "@octokit/webhooks-methods": _npm("github", "@octokit/webhooks-methods", can_sign=True),
    "@sanity/webhook": _npm("sanity", "@sanity/webhook", can_sign=True),
    "@shopify/shopify-api": _npm("shopify", "@shopify/shopify-api"),
    "@workos-inc/node": _npm("workos", "@workos-inc/node"),
    "@zoom/rivet": _npm("zoom", "@zoom/rivet"),
    "adyen": _python("adyen", "adyen", can_sign=True),
    "box-sdk-gen": _python("box", "box-sdk-gen"),
    "coinbase-commerce": _python("coinbase-commerce", "coinbase-commerce"),
    "discord-interactions": _python("discord", "discord-interactions"),
    "elevenlabs": _python("elevenlabs", "elevenlabs"),
    "gocardless-pro": _python("gocardless", "gocardless-pro"),
    "hubspot-api-client": _python("hubspot", "hubspot-api-client", can_sign=True),
    "livekit-api": _python("livekit", "livekit-api"),
    "paddle-python-sdk": _python("paddle", "paddle-python-sdk"),
    "paypalrestsdk": _python("paypal", "paypalrestsdk", can_sign=True),
    "razorpay": _python("razorpay", "razorpay"),
    "resend": _python("svix", "resend"),
    "retell-sdk": _npm("retell", "retell-sdk"),
    "sendgrid": _python("sendgrid", "sendgrid"),
    "slack-sdk": _python("slack", "slack-sdk", can_sign=True),
    "sns-validator": _npm("aws-sns", "sns-validator"),
    "squareup": _python("square", "squareup"),
    "standardwebhooks": _python("standard-webhooks", "standardwebhooks", can_sign=True),
    "stripe": _python("stripe", "stripe", can_sign=True),
    "svix": _python("svix", "svix", can_sign=True),
    "svix/standard": _python("standard-webhooks", "svix", can_sign=True),
    "telnyx": _npm("telnyx", "telnyx"),
    "twilio": _python("twilio", "twilio", can_sign=True),
    "twilio/json": _python("twilio", "twilio", can_sign=True),
    "vonage-jwt": _python("vonage", "vonage-jwt", covers_body=False),
    "webflow-api": _npm("webflow", "webflow-api"),
    # Written by others for this sender.
    "@hookflo/tern/lemonsqueezy": _npm("lemonsqueezy", "@hookflo/tern", "community"),
    "@hookflo/tern/sentry": _npm("sentry", "@hookflo/tern", "community"),
    "django-anymail/mailgun": _python("mailgun", "django-anymail", "community", covers_body=False),
    "django-anymail/postmark": _python(
        "postmark", "django-anymail", "community", covers_body=False
    ),
    "gidgethub": _python("github", "gidgethub", "community"),
    "gidgetlab": _python("gitlab", "gidgetlab", "community", covers_body=False),
    "grammy": _npm("telegram", "grammy", "community", covers_body=False),
    "nuxt-webhook-validators/bitbucket": _nuxt("bitbucket"),
    "nuxt-webhook-validators/calcom": _nuxt("calcom"),
    "nuxt-webhook-validators/docusign": _nuxt("docusign"),
    "nuxt-webhook-validators/dropbox": _nuxt("dropbox"),
    "nuxt-webhook-validators/netlify": _nuxt("netlify"),
    "nuxt-webhook-validators/vercel": _nuxt("vercel"),
    "pywa": _python("meta", "pywa", "community"),
    # Written for a scheme that the sender uses too.
    "elevenlabs/unipile": _python("unipile", "elevenlabs", "scheme"),
    "slack-sdk/customerio": _python("customerio", "slack-sdk", "scheme"),
    "standardwebhooks/gitlab": _python(
        "gitlab-signed", "standardwebhooks", "scheme", can_sign=True
    ),
    "stripe/calendly": _python("calendly", "stripe", "scheme", can_sign=True),
    "stripe/revenuecat": _python("revenuecat", "stripe", "scheme", can_sign=True),
    "stripe/whereby": _python("whereby", "stripe", "scheme", can_sign=True),
    "x-hub-signature/intercom": _npm("intercom", "x-hub-signature", "scheme", can_sign=True),
    "x-hub-signature/jira": _npm("jira", "x-hub-signature", "scheme", can_sign=True),
}

# Presets for which no such implementation was found on PyPI or npm, or only one that is too large.
WITHOUT = frozenset(
    {
        "asana",
        "attio",
        "cloudevents",
        "helpscout",
        "microsoft-graph",
        "okta",
        "plaid",
        "segment",
        "standard-webhooks-ed25519",
        "trello",
        "typeform",
        "unipile-v1",
        "x",
        "zendesk",
    }
)
