"""Benchmarks: each figure on the performance page comes from a command here."""
