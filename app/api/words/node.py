"""Relay's `Node`: anything that can be fetched again by its opaque id."""

import strawberry


@strawberry.interface(description="Anything with an id that can be fetched again by it (Relay).")
class Node:
    """What `node` and `nodes` give."""

    id: strawberry.ID = strawberry.field(
        description="Opaque and stable; the same object has the same id everywhere."
    )
