"""The caches besides free times: documents, organizations, recent answers."""
