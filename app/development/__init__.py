"""What only a development server needs: one command that runs everything, demo data, and tokens
made by hand.
"""
