"""What the gateway, the workers and every other reader agree on.

Names of keys, the form of an entry, errors, and how a client connects. Nothing here waits for
the network; changing the names or the entry needs an ADR and a reader for the old form.
"""
