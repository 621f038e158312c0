"""Child processes that share our fate: started out of reach of Ctrl-C, and kept running.

A command, and how it is known to be up, come in; one running process after the other goes out.
Nothing here knows what a child does.
"""

from relay.supervise.child import module_command, start_child
from relay.supervise.kept import KeptProcess

__all__ = ["KeptProcess", "module_command", "start_child"]
