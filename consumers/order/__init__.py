"""Order: the streams that one process of a group reads at a time, lane by lane.

``holdings`` says which streams are ours and ``own`` takes and keeps one, ``succeed`` takes over
what is pending, ``reader`` reads on, ``lanes`` lets one entry of a lane be handled at a time,
``behind`` keeps in the store what waits behind a failed one, and ``key`` says which lane an entry
belongs to.
"""
