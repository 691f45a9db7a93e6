"""A database that is distributed over several nodes by Citus, organization by organization.

All rows of an organization are on one node, in shards that move together; what belongs to no
organization is on every node. Statements and functions that concern one organization are sent to
its node, whichever node the program talks to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from app.errors import OperatorError
from app.store.sql import Record

if TYPE_CHECKING:
    from app.store.pool import Connection

ON_EVERY_NODE: Final = ("organization", "program_clock", "schema_migration")
"""Small tables without an organization, and that of organizations."""

BY_ORGANIZATION: Final = (
    "location",
    "subject",
    "provider",
    "resource",
    "service",
    "customer",
    "session",
    "hold",
    "appointment",
    "appointment_history",
    "appointment_subject",
    "availability_exception",
    "busy_source",
    "busy_reading",
    "busy_time",
    "calendar_feed",
    "claim",
    "customer_word",
    "event",
    "event_epoch",
    "idempotency_key",
    "message_opt_out",
    "message_outbox",
    "message_template",
    "network_tally",
    "reminder_log",
    "revoked_token",
    "seat",
    "service_need",
    "service_need_resource",
    "service_provider",
    "time_off",
    "verified_phone",
    "webhook",
    "webhook_delivery",
    "weekly_break",
    "weekly_hours",
)
"""Every other table, in the order in which they can be distributed: none before those that it
refers to. Their shards move together.
"""

_ENGINE: Final = """
SELECT current_setting('server_version_num')::integer / 10000 AS version,
    EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') AS is_citus
"""
_NODES: Final = """
SELECT count(*) AS nodes
FROM pg_dist_node
WHERE isactive AND shouldhaveshards AND noderole = 'primary'
"""
_KINDS: Final = """
SELECT relname, partmethod,
    EXISTS (SELECT FROM pg_trigger WHERE tgrelid = logicalrelid AND tgenabled = 'D') AS is_quiet
FROM pg_dist_partition
JOIN pg_class ON pg_class.oid = logicalrelid
WHERE relnamespace = current_schema()::regnamespace
"""
_COORDINATOR: Final = """
SELECT citus_is_coordinator() AS is_coordinator,
    EXISTS (SELECT FROM pg_dist_node WHERE groupid = 0) AS is_known
"""
_FUNCTIONS: Final = """
SELECT proname AS name, oid::regprocedure::text AS signature,
    coalesce('organization_id' = ANY(proargnames), false) AS is_of_organization,
    coalesce(proconfig::text LIKE '%plan_cache_mode%', false) AS has_one_plan
FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace
    AND NOT EXISTS (
        SELECT
        FROM pg_depend
        WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e'
    )
ORDER BY signature
"""
ALONE: Final = ("lock_change_as_seen", "try_to_book", "write_at_once")
"""Functions that are called outside of transactions, or by such a call, so Citus sends the call to
the organization's node by itself. Within a transaction it would have to be forced to
(`force_delegation`); then the function could not read reference tables or insert what it reads.
"""

_SETTINGS: Final = (
    # Ours write only to rows of the same organization, which are on the same node.
    "SET citus.enable_unsafe_triggers = on",
    # Tables that refer to one that is on every node stay as they are until it is their turn.
    "SET citus.enable_local_reference_table_foreign_keys = off",
    # Several changes of tables that refer to one on every node may follow one another in a
    # transaction.
    "SET citus.multi_shard_modify_mode = 'sequential'",
)

Read: TypeAlias = Callable[[str], Awaitable[list[Record]]]
"""Runs a statement without parameters."""


class DistributionError(OperatorError):
    """The database can't be distributed as it is."""


class NoCitusError(DistributionError):
    def __init__(self) -> None:
        super().__init__(
            "This database has no Citus, and one PostgreSQL needs no distribution: run “CREATE "
            "EXTENSION citus” in it on every node first, and add the nodes."
        )


class NotCoordinatorError(DistributionError):
    def __init__(self) -> None:
        super().__init__(
            "This node is not the coordinator of the cluster: let DATABASE_URL name the "
            "coordinator for this command."
        )


class UnknownCoordinatorError(DistributionError):
    def __init__(self) -> None:
        super().__init__(
            "The nodes don't know their coordinator: run “SELECT citus_set_coordinator_host('HOST',"
            " PORT)” there first, with an address at which the others reach it."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What the database runs on."""

    version: int
    """PostgreSQL's major version."""
    is_citus: bool
    nodes: int
    """How many nodes can have rows of organizations."""


async def engine_of(read: Read) -> Engine:
    """What this database runs on."""
    row = (await read(_ENGINE))[0]
    nodes = (await read(_NODES))[0]["nodes"] if row["is_citus"] else 1
    return Engine(version=row["version"], is_citus=row["is_citus"], nodes=nodes)


async def undistributed(read: Read) -> list[str]:
    """The tables of a Citus database whose distribution is not complete, in order."""
    kinds = {row["relname"]: row["partmethod"] for row in await read(_KINDS) if not row["is_quiet"]}
    return [
        *(name for name in ON_EVERY_NODE if kinds.get(name) != b"n"),
        *(name for name in BY_ORGANIZATION if kinds.get(name) != b"h"),
    ]


async def is_begun(read: Read) -> bool:
    """Whether any table of a Citus database is distributed."""
    return bool(await read(_KINDS))


async def prepare_session(connection: Connection) -> None:
    """Let this connection create and change distributed tables as the migrations do."""
    for setting in _SETTINGS:
        await connection.execute(setting)


async def distribute_all(connection: Connection, progress: Callable[[str], None]) -> list[str]:
    """Distribute what is not distributed yet of a migrated database, with its rows, and return
    these tables. Each is committed by itself: run again, this goes on where it ended.
    """
    row = (await connection.fetch(_COORDINATOR))[0]
    if not row["is_coordinator"]:
        raise NotCoordinatorError
    if not row["is_known"]:
        raise UnknownCoordinatorError
    await prepare_session(connection)
    names = await undistributed(connection.fetch)
    known = {row["relname"] for row in await connection.fetch(_KINDS)}
    for name in names:
        if name in known:
            continue
        progress(f"distributing: {name}")
        # They ran when the rows were written, and write to tables whose turn is later. They are
        # on again at the end, and until then the table counts as not distributed.
        await connection.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        if name in ON_EVERY_NODE:
            await connection.execute("SELECT create_reference_table($1)", name)
        else:
            await connection.execute(
                "SELECT create_distributed_table($1, 'organization_id', colocate_with => $2)",
                name,
                "default" if name == BY_ORGANIZATION[0] else BY_ORGANIZATION[0],
            )
    await _distribute_functions(connection)
    for name in names:
        # The rows that were copied to the nodes are still here, unseen.
        await connection.execute("SELECT truncate_local_data_after_distributing_table($1)", name)
    for name in names:
        await connection.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")
    return names


async def _distribute_functions(connection: Connection) -> None:
    for row in await connection.fetch(_FUNCTIONS):
        signature = row["signature"]
        if row["is_of_organization"]:
            await connection.execute(
                "SELECT create_distributed_function($1, 'organization_id', colocate_with => $2, "
                "force_delegation => $3)",
                signature,
                BY_ORGANIZATION[0],
                row["name"] not in ALONE,
            )
        else:
            await connection.execute("SELECT create_distributed_function($1)", signature)
        if row["has_one_plan"]:
            # Which shard a statement reads is known when its parameters are.
            await connection.execute(f"ALTER FUNCTION {signature} RESET plan_cache_mode")
