"""GraphQL: translates between the wire and the use cases, and decides nothing."""
