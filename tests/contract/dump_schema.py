"""Prints sql/schema.sql: what the database looks like after the migrations. `python -m
tests.contract.dump_schema`.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from app.standins.embedded import embedded, postgres_program
from app.store.migrations import migrate

HEADER = (
    "-- What the database looks like after all migrations. Dumped by `make schema`, never "
    "edited.\n\n"
)

_NOISE = re.compile(
    r"^(--|SET |SELECT pg_catalog\.set_config|COMMENT ON EXTENSION|\\restrict|\\unrestrict)"
)


def dump_schema(database_url: str) -> str:
    """Normalised: without what differs from machine to machine and says nothing about
    the schema.
    """
    dumped = subprocess.run(
        [
            *(str(postgres_program("pg_dump")), database_url),
            *("--schema-only", "--no-owner", "--no-privileges", "--no-tablespaces"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return HEADER + normalised(dumped.stdout)


def normalised(dump: str) -> str:
    kept = "\n".join(line.rstrip() for line in dump.splitlines() if not _NOISE.match(line))
    return re.sub(r"\n{3,}", "\n\n", kept).strip() + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slotwright-schema-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # started by root, the servers run as another user
        with embedded(folder, redis_url="redis://unused", durable=False) as servers:
            asyncio.run(migrate(servers.database_url))
            sys.stdout.write(dump_schema(servers.database_url))


if __name__ == "__main__":
    main()
