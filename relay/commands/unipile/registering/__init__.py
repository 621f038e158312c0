"""Has Unipile have the endpoint that is wanted, with its secret kept: for every command that does.

``register`` takes over or makes one, ``creating`` makes one, ``keepers`` keep its secret here or
for a relay elsewhere, and ``wanted`` is what it is to be like.
"""
