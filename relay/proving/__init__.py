"""A preset's name in, out comes whether it takes what its sender sends, and nothing else.

Keys are made on the spot, examples are signed with them, and what senders have published is
verified as it is. Nothing is sent anywhere.
"""

from relay.proving.prove import Proof, prove
from relay.proving.vectors import Vector, published

__all__ = ["Proof", "Vector", "prove", "published"]
