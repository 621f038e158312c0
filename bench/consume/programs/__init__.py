"""The workers that are compared, one file each; started as processes, never imported from here.

Each is told what to do by `bench.consume.ask`, puts a backlog of its own form into the store
(``fill``) and works it off (``work``). They need no part of the relay but for what they measure.
"""
