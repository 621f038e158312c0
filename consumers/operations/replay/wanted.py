"""What a replay means, and how it is named.

Pure. The name is made of what was asked for, so that asking for the same again finds what was
begun and not ended.
"""

import hashlib
import re
from collections.abc import Iterable

import msgspec

from consumers.operations.select import FIRST_ID, LAST_ID
from relay.contract.errors import RelayError
from relay.contract.keys import endpoint_of, is_name
from relay.contract.patterns import parse_pattern

_NAME = re.compile(r"([a-z0-9][a-z0-9-]{0,62}):([0-9a-f]{8})")


class ReplayRefused(RelayError):
    """A replay cannot be planned, begun or gone on with; the message says why and what to do."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay means; what is left out leaves nothing out.

    Args:
        group: The group that is given the entries again.
        patterns: Streams, each as ``endpoint:type``; one of them must match.
        endpoint: Only of this endpoint.
        account: Only of this account.
        ids: Entry ids or event ids, of which an entry must have one.
        since: First entry id that is meant.
        until: Last entry id that is meant.
        limit: At most so many copies, 1 or more.
    """

    group: str
    patterns: tuple[str, ...] = ("*:*",)
    endpoint: str | None = None
    account: str | None = None
    ids: tuple[str, ...] = ()
    since: str = FIRST_ID
    until: str = LAST_ID
    limit: int | None = None

    def means(self, tag: str, event_type: str) -> bool:
        """Tell whether entries of a stream can be meant.

        Raises:
            ValueError: A pattern is none.
        """
        return self.means_tag(tag) and any(
            parse_pattern(pattern).matches(endpoint_of(tag), event_type)
            for pattern in self.patterns
        )

    def means_tag(self, tag: str) -> bool:
        """Tell whether entries of a tag can be meant; patterns may still leave out all of it."""
        return self.endpoint in {None, endpoint_of(tag)}

    @property
    def is_filtered(self) -> bool:
        """Whether some entries of the range are left out."""
        return bool(self.ids) or self.account is not None

    @property
    def filter_arguments(self) -> list[str]:
        """What the scripts are told of it: the account, then the ids."""
        return [self.account or "", *self.ids]


def check(wanted: Wanted) -> None:
    """Refuse what cannot be meant.

    Raises:
        ReplayRefused: The group's name or a pattern is none.
    """
    if not is_name(wanted.group):
        raise ReplayRefused(f"{wanted.group[:100]!r} is no group's name: see relay groups")
    for pattern in wanted.patterns:
        try:
            parse_pattern(pattern)
        except ValueError as error:
            raise ReplayRefused(str(error)) from None


def name_of(group: str, said: Iterable[str]) -> str:
    """Name a replay.

    Args:
        group: Whose it is.
        said: What was asked for, word by word: times as they were typed, since what they mean
            changes by the second.

    Returns:
        ``<group>:<8 hex digits>``.
    """
    digest = hashlib.blake2b("\0".join(said).encode("utf-8", "surrogatepass"), digest_size=4)
    return f"{group}:{digest.hexdigest()}"


def parts_of(name: str) -> tuple[str, str]:
    """Undo `name_of`: give group and digits.

    Raises:
        ReplayRefused: It is no replay's name.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ReplayRefused(
            f"{name[:100]!r} is no replay's id: it was said when it began, as crm:1a2b3c4d"
        )
    return found[1], found[2]
