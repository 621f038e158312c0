"""Starting and ending: a worker found, its resources opened and closed, told to end.

``load`` imports the module, ``matches`` says which streams its handlers read, ``lifespan`` opens
and closes what they share, ``aside`` and ``blame`` keep a user's code from hanging or hiding,
``ending`` hears the signals, and ``process`` ends whatever goes on then.
"""
