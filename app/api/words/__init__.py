"""Types that several features share: scalars, enums, money, ids, errors and refusals, Relay's
conventions.
"""
