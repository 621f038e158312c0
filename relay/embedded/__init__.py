"""A durable Redis of our own, for trying the relay out and for small installations.

A data directory and a port come in; a server that answers, with its URL in a file only its owner
can read, goes out. Nothing here knows what is stored.
"""

from relay.embedded.binary import NoServer, find_server
from relay.embedded.directory import DataDirectory, DirectoryInUse, DirectoryUnusable
from relay.embedded.server import EmbeddedServer, ServerDidNotStart

__all__ = [
    "DataDirectory",
    "DirectoryInUse",
    "DirectoryUnusable",
    "EmbeddedServer",
    "NoServer",
    "ServerDidNotStart",
    "find_server",
]
