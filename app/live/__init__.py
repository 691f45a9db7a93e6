"""The live feed: pushes changes to subscribers, and passes them between processes."""
