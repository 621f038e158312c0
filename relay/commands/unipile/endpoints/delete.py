"""``relay unipile endpoints delete``: an endpoint that Unipile shall have no more.

Its secret stays where it counts here: what was signed with it may still come. What is to be done
about that is said.
"""

from relay.commands.options import AsJson
from relay.commands.store import environment
from relay.commands.unipile.confirming import Yes, make_sure
from relay.commands.unipile.endpoints.look import EndpointId, read
from relay.commands.unipile.endpoints.shown import (
    Holder,
    fingerprint_of,
    holders,
    lines_of,
    tell_done,
    whole_row,
)
from relay.commands.unipile.hinting import hinting
from relay.commands.unipile.opening import ApiSeconds, ApiUrl, Opening, opening
from relay.contract.loop import run
from relay.contract.printable import printable
from relay.unipile import UnipileEndpoint


def delete_endpoint(
    endpoint_id: EndpointId,
    yes: Yes = False,
    api_url: ApiUrl = None,
    api_seconds: ApiSeconds = 60.0,
    as_json: AsJson = False,
) -> None:
    """Delete a webhook endpoint; relay.toml and the secret stay as they are.

    It asks, or needs --yes where nobody can be asked. With --json an object with the keys of
    `show`, as the endpoint was, did (deleted) and says.
    """
    held = holders()
    environ = environment()
    found = run(_read(opening(environ, api_url, api_seconds), endpoint_id))
    row = whole_row(found, held)
    make_sure(lines_of(row), "Delete this at Unipile?", yes=yes, must=True)
    run(_delete(opening(environ, api_url, api_seconds), found.id))
    says = [f"Deleted {printable(found.id, 80)} at Unipile; it was as follows."]
    holder = held.get(fingerprint_of(found))
    if holder is not None:
        says += _left(holder)
    tell_done("deleted", says, row, as_json=as_json)


async def _read(unipile: Opening, endpoint_id: str) -> UnipileEndpoint:
    async with unipile as api:
        return await read(api, endpoint_id)


async def _delete(unipile: Opening, endpoint_id: str) -> None:
    with hinting(
        "It may be deleted all the same: `relay unipile endpoints list` says what is there."
    ):
        async with unipile as api:
            await api.delete_endpoint(endpoint_id)


def _left(holder: Holder) -> list[str]:
    where = printable(holder.known.name)
    said = f"The endpoint {holder.name} here still has its secret, {where}."
    if holder.others:
        step = (
            "What was signed with it may still come for a while. After that take it out of the "
            f"secrets of [endpoints.{holder.name}] in relay.toml, and run `relay reload`."
        )
    else:
        step = (
            "No other one counts there, so nothing that Unipile sends counts there any more: "
            "`relay unipile endpoints create` makes a new one, or take "
            f"[endpoints.{holder.name}] out of relay.toml, and run `relay reload`."
        )
    return [said, step]
