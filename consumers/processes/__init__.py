"""Several worker processes of one Worker, and the parent that keeps them.

A target and signals come in, running children go out: started, started again, and ended within
their grace. The parent imports no user's code and handles nothing itself.

Source: docs/adr/0015.
"""
