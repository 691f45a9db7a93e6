"""What else Redis and this process remember: documents, organizations, recent answers."""
