"""A new secret in the form that a sender wants, where it is the operator who chooses it."""

import secrets

from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.provider import Provider
from relay.proving.form import encoded
from relay.scheme import Basic, Key

# As many bits as the hash of the usual signature has.
SECRET_BYTES = 32
USER = "relay"

# Each lets its customer say what the secret is; the others make it themselves, so one that is made
# here would only wait for nobody. What has no preset is the operator's own affair.
CHOSEN = frozenset(
    {
        "bitbucket",
        "calcom",
        "cloudevents",
        "github",
        "gitlab",
        "helpscout",
        "jira",
        "lemonsqueezy",
        "microsoft-graph",
        "netlify",
        "okta",
        "postmark",
        "razorpay",
        "sanity",
        "segment",
        "standard-webhooks",
        "svix",
        "telegram",
        "typeform",
        "hmac",
        "token",
        "basic",
    }
)


def make_secret(provider: Provider) -> str:
    """Make a secret by chance, in the form of the sender's scheme.

    Raises:
        CommandFailed: The sender makes it itself, or its secret is no matter of chance.
    """
    if provider.name not in CHOSEN or provider.has_public_key:
        raise CommandFailed(
            f"{provider.title} makes its secret itself ({provider.secret}): get it there, and "
            "give it by the prompt, by standard input or by --from-file.",
            exit_code=WRONG_USAGE,
        )
    if isinstance(provider.scheme, Basic):
        return f"{USER}:{secrets.token_urlsafe(SECRET_BYTES)}"
    key = getattr(provider.scheme, "key", Key())
    if key.form in {"hex", "base64"}:
        return encoded(secrets.token_bytes(SECRET_BYTES), key)
    # Letters that mean nothing in a URL, a header or a shell.
    return encoded(secrets.token_urlsafe(SECRET_BYTES).encode(), key)
