"""The live feed: what is shown to subscribers, and how the processes tell each other that it
changed.
"""
