"""What an operator does: typed functions that commands and consoles call."""
