"""Several gateway processes on one listening socket, and the parent that keeps them.

A configuration and signals come in, running children go out: started, replaced, and ended
without cutting a sender off. The parent never takes a delivery itself.

Source: docs/adr/0013.
"""
