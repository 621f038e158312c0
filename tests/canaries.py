"""Texts that the makers of tests put where secrets are, and that no log may ever hold."""

from tests.signing import IN_HEADER, SECRET

__all__ = ["CANARIES", "IN_BODY", "IN_HEADER", "IN_MESSAGE", "SECRET"]

IN_BODY = "canary-in-body-5b1d"
IN_MESSAGE = "canary-in-message-e2f4"

# By what each stands for.
CANARIES = {
    "secret": SECRET,
    "body": IN_BODY,
    "header": IN_HEADER,
    "exception's message": IN_MESSAGE,
}
