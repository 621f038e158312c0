"""What a sender says that it could not deliver, compared with what is here.

The sender's log of attempts comes in, and which of its events are nowhere here goes out. It only
looks: nothing of an event is stored, moved or marked. ``book`` keeps what a comparison came to,
which is all that a gateway needs of this room.
"""
