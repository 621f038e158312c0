"""``make bench-consume``: events per second and CPU per event of a worker, and of others' workers.

A backlog goes into a store, a worker is started and handles it. What the worker does to an event is
counted within the worker, and compared with what its makers' other programs, or a loop, do.
"""
