"""What a job gets from the worker."""

from __future__ import annotations

from typing import Any

from app.usecases.resources import Resources


def resources_of(ctx: dict[Any, Any]) -> Resources:
    """The worker puts them there once; arq passes the same dictionary to every job."""
    resources: Resources = ctx["resources"]
    return resources
