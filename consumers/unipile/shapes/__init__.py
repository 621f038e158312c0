"""What events of Unipile carry, each kind of thing as a struct; one file for each subject.

Only what an event is worth nothing without must be there. Everything else may be missing: much of
it was never described, and what is described may change.
"""
