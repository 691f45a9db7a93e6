"""How a process lives: the API and the worker from start to shutdown, and what each is made of."""
