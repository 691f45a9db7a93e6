"""The types and root fields of the schema, one file a feature.

Types name each other in circles: a provider has services, a service has providers, and a refused
booking offers slots. Such a type is named by `strawberry.lazy`, and its module is imported inside
the resolver that makes one. There is no other circle of imports in `app.api`.
"""
