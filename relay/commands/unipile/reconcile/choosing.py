"""Finds which endpoints are compared, and which of Unipile's each of them is.

An endpoint here and one there belong together where they have a secret in common.
"""

import hmac
from collections.abc import Sequence

from relay.commands.rejections.judging import Configured
from relay.commands.unipile.secret_here import PROVIDER
from relay.contract.explain import WRONG_USAGE, CommandFailed
from relay.contract.printable import printable
from relay.endpoint import Endpoint, Secret
from relay.unipile.api import UnipileApi
from relay.unipile.shapes import UnipileEndpoint


def endpoints_meant(known: Configured, name: str | None, ids: Sequence[str]) -> list[Endpoint]:
    """Give the endpoints that are compared.

    Args:
        known: The configuration.
        name: Of the only one; none for all that are Unipile's.
        ids: What Unipile calls it, as far as that was said.

    Raises:
        CommandFailed: There is none, or one that cannot be compared.
    """
    theirs = {n: one for n, one in known.endpoints.items() if one.provider.name == PROVIDER}
    if name is not None and name not in theirs:
        there = ", ".join(sorted(theirs)) or "none"
        raise CommandFailed(
            f"{printable(name, 80)} is no endpoint of Unipile's API version 2; those are: {there}.",
            exit_code=WRONG_USAGE,
        )
    meant = sorted(theirs) if name is None else [name]
    if not meant:
        raise CommandFailed(
            'No endpoint here has provider = "unipile": `relay unipile connect` makes one.',
            exit_code=WRONG_USAGE,
        )
    if ids and len(meant) > 1:
        raise CommandFailed(
            f"--id goes with one endpoint: say which of {', '.join(meant)}.", exit_code=WRONG_USAGE
        )
    for each in meant:
        _check(known, theirs[each], has_ids=bool(ids))
    return [theirs[each] for each in meant]


def _check(known: Configured, endpoint: Endpoint, *, has_ids: bool) -> None:
    if endpoint.provider.key_of("id") != "id" or endpoint.provider.event.ids:
        raise CommandFailed(
            f"{endpoint.name} takes the ids of its events from elsewhere "
            f"([endpoints.{endpoint.name}.event] id or ids), so they cannot be "
            "compared with Unipile's.",
            exit_code=WRONG_USAGE,
        )
    faults = known.faults.get(endpoint.name)
    # One that is not read may be that of an endpoint whose losses would go unseen.
    if faults and not has_ids:
        said = "; ".join(printable(fault, 300) for fault in faults)
        raise CommandFailed(
            f"{said}\nRun this where the gateway's secrets can be read, or say --id we_… for "
            f"each of Unipile's endpoints that sends to {endpoint.name}; see: relay unipile "
            "endpoints list",
            exit_code=WRONG_USAGE,
        )


async def endpoints_there(
    api: UnipileApi, endpoints: Sequence[Endpoint], ids: Sequence[str]
) -> list[list[UnipileEndpoint]]:
    """Give for each endpoint those that Unipile has for it.

    Args:
        api: Asks Unipile.
        endpoints: From `endpoints_meant`.
        ids: What was said with ``--id``; it counts alone.

    Raises:
        CommandFailed: Unipile has none for one of them.
        UnipileFailed: It cannot be asked.
    """
    if ids:
        return [[await api.read_endpoint(each) for each in dict.fromkeys(ids)]]
    there = await api.list_endpoints()
    found = [[one for one in there if _has_secret(endpoint, one)] for endpoint in endpoints]
    for endpoint, theirs in zip(endpoints, found, strict=True):
        if not theirs:
            raise CommandFailed(
                f"None of Unipile's endpoints has a secret of {endpoint.name}, so nothing can be "
                "compared; see: relay unipile endpoints list"
            )
    return found


def secrets_without(endpoint: Endpoint, theirs: Sequence[UnipileEndpoint]) -> list[Secret]:
    """Give the secrets here that none of some endpoints at Unipile has.

    Args:
        endpoint: From `endpoints_meant`.
        theirs: What Unipile has for it.
    """
    there = {each.secret.encode("utf-8", "surrogatepass") for each in theirs}
    return [secret for secret in endpoint.secrets if secret.reveal() not in there]


def strangers(
    known: Configured, endpoint: Endpoint, theirs: Sequence[UnipileEndpoint]
) -> list[str]:
    """Say which of some endpoints at Unipile have no secret of one here, if all can be read.

    Args:
        known: The configuration.
        endpoint: From `endpoints_meant`.
        theirs: Those that were said to be its own.
    """
    if endpoint.name in known.faults:
        return []
    return [
        f"Unipile's endpoint {printable(one.id, 80)} has no secret of {endpoint.name}: what it has "
        "tried may be another's, and what was tried for this one is not compared."
        for one in theirs
        if not _has_secret(endpoint, one)
    ]


def gone(secret: Secret) -> str:
    """Say that what was tried by an endpoint that had a secret cannot be compared."""
    name = printable(secret.name, 200)
    return (
        f"No endpoint of Unipile's has {name} now: where one was deleted, what it alone has tried "
        "is in no log any more."
    )


def _has_secret(endpoint: Endpoint, theirs: UnipileEndpoint) -> bool:
    secret = theirs.secret.encode("utf-8", "surrogatepass")
    # All of them are compared, whichever fits.
    fits = [hmac.compare_digest(secret, one.reveal()) for one in endpoint.secrets]
    return any(fits)
