"""FLOOR 1: the words of messages about an appointment, and how they are sent.

Nothing here knows the database or the queue. `render` makes words of facts, a sender hands them to
the mail server or the gateway, and every outcome of sending is a value.
"""
