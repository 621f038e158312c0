"""Handlers in processes of their own: what hangs is killed, and what crashes takes nothing along.

``runner`` asks and ``program`` answers; ``child`` is the one as the other sees it, and ``wire``
what passes between them.
"""
