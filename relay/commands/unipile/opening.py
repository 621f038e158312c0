"""Reaches Unipile for the time of one command: the environment in, an open client out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.unipile import Patience

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from relay.unipile.api import UnipileApi

KEY_VARIABLE, URL_VARIABLE = "UNIPILE_API_KEY", "UNIPILE_API_URL"
USUAL_URL = "https://api.unipile.com"

Opening: TypeAlias = "AbstractAsyncContextManager[UnipileApi]"

ApiUrl = Annotated[
    str | None,
    typer.Option(
        "--api-url", metavar="URL", help=f"Where Unipile is. [{URL_VARIABLE}, or {USUAL_URL}]"
    ),
]
ApiSeconds = Annotated[
    float,
    typer.Option(
        "--api-seconds", min=0.5, help="How long Unipile may take for one wish, attempts together."
    ),
]


def opening(environ: Mapping[str, str], api_url: str | None, seconds: float) -> Opening:
    """Have a client for the time of a block.

    Args:
        environ: Environment variables; the key is one of them.
        api_url: What ``--api-url`` said, if anything.
        seconds: How long one wish may take.

    Raises:
        CommandFailed: There is no key, or the URL is none.
    """
    key = environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise CommandFailed(
            f"{KEY_VARIABLE} is not set: it is the API key of your application, from Unipile's "
            "dashboard.",
            exit_code=WRONG_USAGE,
        )
    if not key.isascii() or not key.isprintable():
        raise CommandFailed(
            f"{KEY_VARIABLE} is no API key: one has letters, digits and signs only.",
            exit_code=WRONG_USAGE,
        )
    # Only what asks Unipile needs a client, and importing one takes as long as all the rest.
    from relay.unipile.api import open_api  # noqa: PLC0415

    return open_api(_base(environ, api_url), key, Patience.within(seconds))


def _base(environ: Mapping[str, str], api_url: str | None) -> str:
    # See `opening`.
    from yarl import URL  # noqa: PLC0415

    base = api_url or environ.get(URL_VARIABLE, "").strip() or USUAL_URL
    where = "--api-url" if api_url else URL_VARIABLE
    if "@" in base:
        raise CommandFailed(
            f"{where} must have no user and no password: {KEY_VARIABLE} is all that Unipile takes.",
            exit_code=WRONG_USAGE,
        )
    try:
        # By that which the client takes: not every URL of others is one of its.
        url = URL(base)
        host = url.host if url.port != 0 else None
    except ValueError:
        host = None
    if not host or url.scheme not in {"http", "https"} or url.query or url.fragment:
        raise CommandFailed(
            f"{where}: {printable(base, 200)} is no URL such as {USUAL_URL}.",
            exit_code=WRONG_USAGE,
        )
    if url.scheme == "http" and host not in {"127.0.0.1", "::1", "localhost"}:
        raise CommandFailed(
            f"{where}: over http:// anyone on the way could read the API key; only a stand-in on "
            "this machine may be reached so.",
            exit_code=WRONG_USAGE,
        )
    return base.rstrip("/").removesuffix("/v2")
