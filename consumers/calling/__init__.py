"""Calling: what a handler's function asks for, found at the start so that no run looks it up.

``parameters`` says what each parameter is, ``resource`` and ``payload`` give them, ``call`` puts
them together, ``middleware`` runs around it, ``rate`` and ``pace`` hold it back, ``running`` tells
the log which event is handled, and ``importable`` finds the function again in another process.
"""
