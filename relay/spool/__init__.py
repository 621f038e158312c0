"""Keeps events on this machine's disk while the store does not take them, and drains them later.

Identified events come in, and are answered once they are synced; they go out through the same
append as any other, in order, and are removed only when that has confirmed them. A file per
process, guarded by a lock: what a dead process leaves is drained by whoever takes its lock.

Source: docs/adr/0026.
"""
