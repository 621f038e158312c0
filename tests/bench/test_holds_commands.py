"""The benchmark of the operators' commands leaves none of them out."""

from bench.holds.commands import CASES
from tests.commanding import every_command

# These run until they are told to end.
PROGRAMS = {"relay serve", "relay worker"}
# These as long as there is something to send.
SENDERS = {"relay spool drain", "relay conformance"}
# These look into books that are bounded, whatever the streams hold.
BOUNDED = {
    *("relay secrets pending", "relay secrets accept", "relay secrets drop"),
    *("relay secrets status", "relay secrets rotate"),
    *("relay endpoints list", "relay endpoints show"),
    *("relay rejections list", "relay rejections show"),
    *("relay rejections explain", "relay rejections accept"),
}
# These ask Unipile, or show what is kept of each account, page by page.
UNIPILE = {
    *("relay unipile connect", "relay unipile rotate"),
    *("relay unipile reconcile", "relay unipile accounts"),
}
# This waits for gateways, and reads nothing but news.
ASKING_GATEWAYS = {"relay reload"}


def test_every_command_that_asks_the_store_is_measured() -> None:
    """Whether it answers in a second, and does not keep the server."""
    commands = every_command()
    asking = {
        words
        for words, command in commands.items()
        if any("--redis-url" in parameter.opts for parameter in command.params)
    }
    measured = {
        # A group of commands is a command itself.
        next(
            words
            for words in (" ".join(case.name.split()[:n]) for n in (3, 2))
            if words in commands
        )
        for case in CASES
    }

    assert asking - PROGRAMS - SENDERS - BOUNDED - UNIPILE - ASKING_GATEWAYS == measured


def test_each_row_has_a_name_of_its_own() -> None:
    """Figures of several commands must not be taken for one another's."""
    names = [case.name for case in CASES]

    assert len(set(names)) == len(names)
