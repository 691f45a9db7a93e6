"""Generated files in the repository are what the code and the migrations generate now."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.__main__ import main
from app.standins.embedded import Servers
from tests.contract.dump_permissions import permissions
from tests.contract.dump_schema import dump_schema

ROOT = Path(__file__).parents[2]


def test_schema_graphql_is_printed_from_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == (ROOT / "schema.graphql").read_text(encoding="utf-8"), (
        "run `make schema`"
    )
    assert main(["schema", "--check", str(ROOT / "schema.graphql")]) == 0


def test_schema_check_notices_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "schema.graphql"
    other.write_text("type Query { nothing: Int }\n")
    assert main(["schema", "--check", str(other)]) == 1
    assert "make schema" in capsys.readouterr().err


def test_schema_sql_is_dumped_from_the_migrations(servers: Servers, migrated_url: str) -> None:
    if not servers.owns_postgres:
        pytest.skip(
            "pg_dump comes with the embedded PostgreSQL, and its output differs from version to "
            "version"
        )
    assert dump_schema(migrated_url) == (ROOT / "sql" / "schema.sql").read_text(encoding="utf-8"), (
        "run `make schema`"
    )


def test_the_page_of_permissions_is_made_from_the_rules() -> None:
    page = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert permissions() == page, "run `make schema`"
