"""What it costs to refuse a hostile delivery, against taking a valid one of the same size."""
