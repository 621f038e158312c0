"""Changes ``relay.toml`` for its operator: comments, order and line ends stay as they are.

A file comes in and a change of it; the whole new file is judged before anything is written, and it
is written whole or not at all. What cannot be done by a program ends as lines for the operator.
"""

from relay.commands.edit.change import add_endpoint, end_secret, put_secret, take_secret
from relay.commands.edit.draft import Draft, NotEdited, check_draft, load_unsecured, read_draft
from relay.commands.edit.write import changed_meanwhile, write_draft

__all__ = [
    "Draft",
    "NotEdited",
    "add_endpoint",
    "changed_meanwhile",
    "check_draft",
    "end_secret",
    "load_unsecured",
    "put_secret",
    "read_draft",
    "take_secret",
    "write_draft",
]
