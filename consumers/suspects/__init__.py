"""Suspects: entries that were held by processes that died, and may be why.

``suspicion`` is what is known of one; ``strikes`` marks it while it runs.
"""
