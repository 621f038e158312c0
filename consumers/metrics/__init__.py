"""What a worker counts, and what it looks up to be shown beside it.

``record`` counts while events are handled, ``lag`` looks up what only the store knows, ``gather``
puts both together, and ``families`` says what each is called.

Source: docs/adr/0020.
"""
