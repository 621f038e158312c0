"""Handlers that come with the project; examples that a user replaces."""
