"""Kinds of senders, as data: one file each."""

from relay.endpoint import Provider
from relay.providers.unipile import UNIPILE

PROVIDERS: dict[str, Provider] = {UNIPILE.name: UNIPILE}
