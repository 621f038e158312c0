"""A sender under load: distinct signed deliveries out, what became of each kept.

It sends as fast as answers come (`closed`) or at times that were fixed beforehand (`opened`),
in a process of its own (`jobs`). It never sends a delivery twice.
"""
