"""Who calls, and whether their token still counts."""
