"""What is to be done once an endpoint stands in the file, in the order in which it is done."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.contract.printable import printable
from relay.provider import Provider
from relay.scheme import Token

HOST = "https://<your host>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """An endpoint that has been added.

    Args:
        name: Its name.
        provider: Its kind of sender.
        table: Its settings, as they stand in the file.
        environ: Variables that are set here.
        has_secret: Its secret has been written to its file.
    """

    name: str
    provider: Provider
    table: Mapping[str, Any]
    environ: Mapping[str, str]
    has_secret: bool


def registered_url(name: str, public_url: object, parameter: str = "") -> str:
    """Give the URL under which a sender reaches an endpoint, as far as it is known.

    Args:
        name: The endpoint's.
        public_url: As it is configured, if it is.
        parameter: Of the query, in which the secret is to stand, which is not shown; empty for
            none.
    """
    url = printable(public_url) if public_url else f"{HOST}/webhooks/{name}"
    return f"{url}?{printable(parameter)}=<the secret>" if parameter else url


def steps(added: Added) -> list[str]:
    """Say what is next, a sentence or two each."""
    return [*_secret(added), *_token(added), _reload(added), *_register(added), *_try(added)]


def _secret(added: Added) -> Iterator[str]:
    for reference in added.table.get("secrets", ()):
        place, what = _place(reference), added.provider.secret
        if added.provider.brings_secret or added.has_secret:
            continue
        if "env" in reference:
            is_set = bool(added.environ.get(reference["env"], "").strip())
            seen = " It is set here, but the gateway must have it." if is_set else ""
            yield f"Put {what} into the gateway's environment as {place}.{seen}"
        elif not Path(reference["file"]).exists():
            yield f"Put {what} into {place}, which only the gateway's user should read (mode 600)."


def _token(added: Added) -> Iterator[str]:
    if reference := added.table.get("verify_token"):
        yield (
            f"Make up a verify token, put it into {_place(reference)}, and give it to "
            f"{added.provider.title} too."
        )


def _reload(added: Added) -> str:
    references = [*added.table.get("secrets", ()), added.table.get("verify_token") or {}]
    if any("env" in reference for reference in references):
        return (
            "Start the gateway, or start it again: `relay reload` makes it read the file, but the "
            "variables stay those with which it was started."
        )
    return (
        "Have the running gateway read the file: `relay reload`. Or start it: `relay serve`; "
        "`relay dev` is to be started again."
    )


def _register(added: Added) -> Iterator[str]:
    title = printable(added.provider.title)
    source, _, chosen = _chosen_place(added).partition(".")
    parameter = chosen if source == "query" else ""
    url = registered_url(added.name, added.table.get("public_url"), parameter)
    where = f"at {title}" if title != added.provider.name else "at the sender"
    yield f"Register this URL {where}: {url}"
    if source == "header":
        yield f"Give the webhook there a header {printable(chosen)} with the secret as its value."
    if added.provider.brings_secret:
        yield (
            f"{title} then sends its secret: look at it with `relay secrets pending`, and take it "
            f"with `relay secrets accept {added.name}`."
        )


def _chosen_place(added: Added) -> str:
    """Say where the secret is to stand, where somebody chooses that at the sender."""
    scheme = added.provider.scheme
    if "token" not in added.provider.chosen or not isinstance(scheme, Token):
        return ""
    return str(added.table.get("token", {}).get("place", scheme.place))


def _try(added: Added) -> Iterator[str]:
    yield f"Try it: `relay endpoints test {added.name}`"


def _place(reference: Mapping[str, str]) -> str:
    return printable(reference.get("env") or reference.get("file"))
