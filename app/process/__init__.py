"""The processes: the API and the worker from start to shutdown, and their composition."""
