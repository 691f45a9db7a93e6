"""What an organization sets up: providers, services, hours, customers."""
