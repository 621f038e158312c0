"""Effects: what a handler does once, though it may run again.

``once`` remembers the steps of an event; ``commit`` stores an effect with the acknowledgement.
"""
