"""Messages about appointments: planned, composed, sent, logged and refused."""
