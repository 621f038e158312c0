"""The gateway: an HTTP delivery in, a stream entry out.

What happens to a delivery is told by the file names: receive, verify, identify, append;
``pipeline`` holds the four on one screen.
"""

__version__ = "0.1.0"
