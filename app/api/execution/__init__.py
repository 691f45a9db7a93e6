"""How an operation is measured and executed. Everything that relies on graphql-core's internals is
here.
"""
