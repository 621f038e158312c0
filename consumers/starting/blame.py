"""Says what went wrong in a user's code, and where, for whoever started the program."""

import traceback
from pathlib import Path

import relay
from relay.contract.explain import redacted
from relay.contract.printable import printable

MAX_CHARACTERS = 1000


def told(error: BaseException) -> str:
    """Say an error's kind, message, and the last place outside of this project.

    Not for logs: the message is the user's own, and may quote anything. Passwords in URLs are
    taken out.
    """
    ours = (str(Path(__file__).parent.parent), str(Path(relay.__file__).parent))
    lines = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename[0] != "<" and not frame.filename.startswith(ours)
    ]
    # What is no Python says itself where; whoever read it is of no interest.
    where = f" ({lines[-1]})" if lines and not isinstance(error, SyntaxError) else ""
    return printable(redacted(f"{type(error).__name__}: {error}{where}"), MAX_CHARACTERS)
