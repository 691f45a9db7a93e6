"""Book, hold, move, cancel and close: every change of an appointment."""
