"""What an operator sees of consumer groups and does to them."""
