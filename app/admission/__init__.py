"""What is let in under load: computations, bookings in a rush, and how much each caller may ask
for.
"""
