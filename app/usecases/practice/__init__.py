"""Changes to an organization's data: providers, services, hours, customers."""
