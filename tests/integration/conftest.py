"""The API in process, for the tests of its behaviour."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.settings import Settings
from tests.builders import Api, running_api


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    """The application on this test's own database, with one organization and a clock that reads `builders.NOW`."""
    async with running_api(Settings.from_environment(environment)) as running:
        yield running
