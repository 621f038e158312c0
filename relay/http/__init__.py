"""What both programs do over HTTP alike: listen, answer who asks for health and metrics.

Sockets and what is to be shown come in; nothing here knows what a program is for.

Source: docs/adr/0020.
"""
