"""What happens after a commit: caches and subscribers hear of it."""
