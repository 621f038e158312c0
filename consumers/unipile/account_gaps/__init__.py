"""Statuses of accounts in, gaps out: from when to when nothing can have come of an account.

``changes`` reads an event, ``books`` folds it into the account's book, ``announcing`` appends an
event for each gap that has closed, and ``worker`` is the group that does all of it.

Source: docs/adr/0032.
"""
