"""Dead letters: events that a group has set aside, to be looked at, redriven or dropped."""
