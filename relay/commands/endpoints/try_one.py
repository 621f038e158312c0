"""``relay endpoints test``: asks a running gateway about one endpoint, and stores nothing."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.commands.edit import load_unsecured
from relay.commands.endpoints.nearest import did_you_mean
from relay.commands.gateway_url import endpoint_url
from relay.commands.options import AsJson
from relay.commands.store import environment
from relay.contract.display import show_json, tell, warn
from relay.contract.errors import ConfigurationFault
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.contract.references import SecretReference, read_secret_file
from relay.contract.surroundings import read_config_file
from relay.endpoint import Endpoint
from relay.endpoints import EndpointSection, Secrets, build_endpoint
from relay.settings import Settings

if TYPE_CHECKING:
    from relay.commands.endpoints.trial import Step


def try_one(
    endpoint: Annotated[
        str, typer.Argument(metavar="ENDPOINT", help="Its name, for example unipile.")
    ],
    url: Annotated[
        str | None,
        typer.Option(
            help="Where the gateway is, or the endpoint's whole URL, also through a proxy. "
            "[http://127.0.0.1:8080, or the configured port]"
        ),
    ] = None,
    store_one: Annotated[
        bool, typer.Option("--send", help="Also send one example event, which is stored.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a running gateway whether it refuses what it must, and has the secret that is here.

    Nothing is stored: all that is sent must be refused, unsigned, signed with another secret, and,
    where the kind of sender signs a time, signed with the right one 40 days ago. Requests by
    which the sender tries an endpoint are tried too. Ends with 1 if an answer is not as expected.
    With --json an object: url, steps (objects with the keys step, ok, status, result, meaning,
    advice and proves) and notes.
    """
    environ = environment()
    settings = load_unsecured(environ, read_config_file(environ, Path()))
    target, notes = _endpoint(endpoint, settings, environ)
    whole = endpoint_url(url or f"http://127.0.0.1:{settings.port}", endpoint)
    steps = run(_try(target, whole, store_one=store_one))
    notes += filter(None, [_note(target, steps, store_one=store_one)])
    if as_json:
        show_json({"url": whole, "steps": [asdict(step) for step in steps], "notes": notes})
    else:
        _report(steps, notes)
    failed = [step for step in steps if not step.ok]
    if failed:
        raise CommandFailed(f"{len(failed)} of {len(steps)} answers were not as expected.")


async def _try(target: Endpoint, url: str, *, store_one: bool) -> list["Step"]:
    # Only what posts needs what does; importing it would slow the other commands down.
    from relay.commands.endpoints.probe import probes  # noqa: PLC0415
    from relay.commands.endpoints.sending import send_one  # noqa: PLC0415
    from relay.commands.endpoints.trial import try_all  # noqa: PLC0415

    steps = await try_all(await probes(target, int(time.time())), url)
    if store_one and all(step.ok for step in steps):
        steps.append(await send_one(target, url))
    return steps


def _endpoint(name: str, settings: Settings, environ: dict[str, str]) -> tuple[Endpoint, list[str]]:
    """Make the endpoint with those of its secrets that are here, and say which are not."""
    section = settings.endpoints.get(name)
    if section is None:
        known = ", ".join(sorted(settings.endpoints)) or "none"
        raise CommandFailed(
            f"There is no endpoint {printable(name, 80)} in the configuration; there are: {known}."
            f"{did_you_mean(name, settings.endpoints)} `relay endpoints add` adds one.",
            exit_code=WRONG_USAGE,
        )
    here, notes = _with_what_is_here(section, environ)
    faults: list[str] = []
    made = build_endpoint(name, here, Secrets(environ, read_secret_file, faults))
    if faults:
        raise ConfigurationFault(faults)
    now_ms = time.time_ns() // 1_000_000
    idle = set(made.secrets) - set(made.secrets_at(now_ms))
    notes += [f"{printable(each.name)} does not count now, so it was not tried." for each in idle]
    return made.as_of(now_ms), notes


def _with_what_is_here(
    section: EndpointSection, environ: dict[str, str]
) -> tuple[EndpointSection, list[str]]:
    """Leave out the secrets that this terminal has not: the gateway may have them."""
    secrets, token = section.secrets, section.verify_token
    here = [each for each in secrets if _is_here(each, environ)]
    has_token = token is not None and _is_here(token, environ)
    missing = [each.unread_name for each in secrets if each not in here]
    missing += [token.unread_name] if token is not None and not has_token else []
    notes = [
        f"{printable(name)} is not there for this command, so whether the gateway has that secret "
        "was not tried."
        for name in missing
    ]
    # Judged before, with all of them; without some it need not be right by itself.
    update = {"secrets": tuple(here), "verify_token": token if has_token else None}
    return section.model_copy(update=update), notes


def _is_here(reference: SecretReference, environ: dict[str, str]) -> bool:
    if reference.env is not None:
        return bool(environ.get(reference.env, "").strip())
    return reference.file is not None and os.access(reference.file, os.R_OK)


def _note(target: Endpoint, steps: list["Step"], *, store_one: bool) -> str:
    """Say what the answers leave open."""
    provider = target.provider
    takes_all = target.dry_run or provider.scheme.family == "none"
    if takes_all:
        return "" if store_one else _takes_all(target)
    is_sent = any(step.step == "send" for step in steps)
    if is_sent or any(step.proves for step in steps) or not all(step.ok for step in steps):
        return ""
    if not target.secrets and provider.brings_secret:
        return (
            f"{provider.title} has not sent its secret yet, or nobody has accepted it: `relay "
            "secrets pending`. Until then every delivery is refused."
        )
    if provider.has_public_key or provider.scheme.has_certificate:
        return (
            f"{provider.title} signs with a key that is nobody else's: only a real event of it "
            "can tell whether it is taken."
        )
    if not target.secrets or store_one:
        return ""
    return (
        f"{provider.title} signs no time, so nothing that is refused can tell whether the "
        "gateway has the right secret. An event can: of the sender, or an example by --send."
    )


def _takes_all(target: Endpoint) -> str:
    """Say why nothing can be tried that must be refused."""
    if target.dry_run:
        return (
            "It is in dry run: what proves nothing is stored too, and marked, so no refusal can be "
            "tried. With --send one example event is sent, and stored."
        )
    return (
        "It proves nothing and takes what anybody sends, so whatever is sent is stored. "
        "With --send one example event is."
    )


def _report(steps: list["Step"], notes: list[str]) -> None:
    for step in steps:
        tell(f"{'ok    ' if step.ok else 'wrong '} {step.meaning}")
        if step.advice:
            tell(f"       {step.advice}")
    for note in notes:
        warn(note)
