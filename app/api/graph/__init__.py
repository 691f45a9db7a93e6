"""The types and root fields of the schema, one file a feature."""
