"""The dedupe index against plain keys: what one id costs in memory, and one event in CPU.

The same events go to two stores in turn, one by the relay's script and one by a script that keeps
a key per id. Both are sampled as windows pass; the streams are emptied all the time, so what is
left is the index.
"""
