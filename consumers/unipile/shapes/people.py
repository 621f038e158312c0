"""Users of a provider, and relations between them."""

from consumers.calling.open_struct import OpenStruct


class User(OpenStruct, kw_only=True):
    """Somebody at the provider.

    Args:
        object: ``User`` or ``UserProfile``.
        id: The provider's own id, unique within an account only.
        type: ``individual``, ``organization`` or ``other``.
        public_identifier: What stands in the address of the profile.
        display_name: What people see.
        profile_url: Of the page at the provider.
        public_picture_url: May be fetched by anyone.
        private_picture_download_url: Needs the API key.
        description: A headline or a status.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    id: str
    type: str | None = None
    public_identifier: str | None = None
    display_name: str | None = None
    profile_url: str | None = None
    public_picture_url: str | None = None
    private_picture_download_url: str | None = None
    description: str | None = None


class Relation(OpenStruct, kw_only=True):
    """Two people have become connected: ``relation.new``, ``relation.request.accept``.

    Args:
        object: ``UserRelation``.
        id: Of the relation.
        user: Who it is with.
        created_at: Since when, RFC 3339.

    Source: https://github.com/unipile/unipile-python
    """

    object: str | None = None
    id: str | None = None
    user: User
    created_at: str | None = None


class Follower(OpenStruct, kw_only=True):
    """Somebody follows the account: ``follower.new``. Nobody has described it.

    Args:
        id: Of the follow, if it has one.
        user: Who follows.
        created_at: Since when, RFC 3339.
    """

    object: str | None = None
    id: str | None = None
    user: User | None = None
    created_at: str | None = None
