"""The words that features share: scalars, enums, money, ids, errors and refusals, Relay's
conventions.
"""
