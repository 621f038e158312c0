"""Waiting: what failed, or was postponed, until it is handled again.

``park`` keeps an entry pending in its stream until it is due, and ``restore`` finds due times that
were lost; ``later`` moves one that waits long out of its stream, and ``again`` gives it back.
"""
