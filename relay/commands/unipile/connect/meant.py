"""Which of Unipile's endpoints with one URL is ours: that whose secret is here, or the only one."""

from collections.abc import Sequence

from relay.commands.unipile.secret_here import Keeping
from relay.contract.explain import CommandFailed
from relay.contract.printable import printable
from relay.unipile import UnipileEndpoint


def one_meant(there: Sequence[UnipileEndpoint], keeping: Keeping) -> UnipileEndpoint | None:
    """Give the endpoint that is taken over; none where there is none.

    Args:
        there: Those with the URL.
        keeping: Tells whose secrets are here.

    Raises:
        CommandFailed: There are several, and which is meant is not to be told.
    """
    held = [each for each in there if keeping.holds(each.secret)]
    ids = ", ".join(printable(each.id, 80) for each in held or there)
    if len(held) > 1:
        raise CommandFailed(
            f"Unipile has several endpoints with this URL whose secrets are here ({ids}), so a "
            f"rotation is under way: `relay unipile rotate {keeping.name}` goes on with it."
        )
    if not held and len(there) > 1:
        raise CommandFailed(
            f"Unipile has several endpoints with this URL ({ids}), and no secret of theirs is "
            "here. Delete all but one: `relay unipile endpoints delete ID`."
        )
    return next(iter(held or there), None)
