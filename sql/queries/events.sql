-- name: events_after :many
-- A page of the organization's events after a place in their log, in order. Only those below the
-- oldest transaction that still runs: a transaction that commits later can then only write after
-- what was read. Every transaction of an earlier epoch is over: it ran before this server was
-- started, or on another one.
-- params: organization_id uuid, epoch integer, transaction_id bigint, id uuid, page_size integer
SELECT epoch, transaction_id, id, type, subject_id, version, provider_id, customer_id, occurred_at,
    actor, actor_subject
FROM event
WHERE organization_id = $1
    AND (epoch, transaction_id, id) > ($2, $3, $4)
    AND (
        transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        OR epoch < coalesce((
            SELECT epoch
            FROM event_epoch
            WHERE organization_id = $1 AND server_started_at = pg_postmaster_start_time()
        ), 2147483647)
    )
ORDER BY epoch, transaction_id, id
LIMIT $5::integer;

-- name: events_of_types_after :many
-- The same page of the events of some types only. At most $7 events are looked at, since those of a
-- rare type may be far apart: the last of these many is in the answer whatever its type, and the
-- reader goes on after it.
-- params: organization_id uuid, epoch integer, transaction_id bigint, id uuid, page_size integer, types text[], look_at integer
SELECT epoch, transaction_id, id, type, subject_id, version, provider_id, customer_id, occurred_at,
    actor, actor_subject, place
FROM (
    SELECT *, row_number() OVER (ORDER BY epoch, transaction_id, id) AS place
    FROM event
    WHERE organization_id = $1
        AND (epoch, transaction_id, id) > ($2, $3, $4)
        AND (
            transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
            OR epoch < coalesce((
                SELECT epoch
                FROM event_epoch
                WHERE organization_id = $1 AND server_started_at = pg_postmaster_start_time()
            ), 2147483647)
        )
    ORDER BY epoch, transaction_id, id
    LIMIT $7::integer
) AS looked_at
WHERE type = ANY($6) OR place = $7
ORDER BY epoch, transaction_id, id
LIMIT $5::integer;

-- name: end_of_events :one
-- The place after all events that can be read now, and before every other one, written or not.
-- Where none was written since this server was started, that is the start of the next epoch.
-- params: organization_id uuid
SELECT coalesce(max(epoch), 0)
        + CASE WHEN count(*) FILTER (WHERE server_started_at = pg_postmaster_start_time()) = 0 THEN 1 ELSE 0 END
        AS epoch,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS transaction_id
FROM event_epoch
WHERE organization_id = $1;
