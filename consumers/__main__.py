"""``python -m consumers MODULE:NAME``: runs a worker."""

import sys

from consumers.commands.worker import main

if __name__ == "__main__":
    sys.exit(main())
