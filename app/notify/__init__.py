"""FLOOR 1, the room of messages: what is said to people about an appointment, and how it leaves the
house.

It knows no database and no queue. Words are made from facts (`render`), then handed to a sender,
and every outcome of sending is a value.
"""
