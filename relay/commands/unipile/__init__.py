"""``relay unipile``: Unipile's side of it, from an empty account to a flow that is compared.

A command is a file, or a room where it takes several: ``connect``, ``endpoints``, ``rotate``,
``reconcile``, ``accounts`` with ``account_books``, and ``stand_in``. What they share:

- ``opening`` opens Unipile's interface for the time of a command;
- ``wishes`` judges what options say of an endpoint, and ``registering`` has Unipile have it;
- ``secret_here`` has a secret count here, ``secret_file`` writes one for a relay elsewhere;
- ``reloading`` has the gateways take it over;
- ``confirming`` asks a person, ``hinting`` says what to do about what Unipile refused.
"""

import typer

from relay.commands.unipile import (
    accounts,
    connect,
    endpoints,
    reconcile,
    rotate,
    stand_in,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Unipile's own side: endpoints, secrets, accounts, losses.",
)
for command in (connect, endpoints, rotate, reconcile, accounts, stand_in):
    command.add_to(app)
