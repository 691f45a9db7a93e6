"""Pages of our own, and what a browser needs to show them. Decides nothing; speaks to the API as
any client does.
"""
