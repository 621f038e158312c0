"""Presets of senders: each by itself, and all of them alike."""
