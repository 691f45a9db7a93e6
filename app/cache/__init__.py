"""The cache: what Redis remembers of free times, and what it must forget. An accelerator, never a source."""
