"""Benchmarks that judge: each measures one line that must hold, and says whether it does.

A running system comes in, raw lines and a verdict go out. Each is a program of its own that
stops by itself and ends what it started; none compares the relay with another.
"""
