"""The cached read path: free times from Redis or this process where they are current, else computed
and kept.
"""
