-- name: insert_busy_feed :exec
-- A new calendar feed, to be read at once.
-- params: organization_id uuid, id uuid, subject_id uuid, name text, url text, created_at timestamptz
INSERT INTO busy_source (organization_id, id, subject_id, name, url, next_read_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $6);

-- name: due_feeds :many
-- Feeds that are to be read by now and that nobody has a lease on, longest due first, of all
-- organizations. Nothing is locked.
-- params: now timestamptz, real_now timestamptz, batch_size integer
-- scope: all organizations
SELECT organization_id, id
FROM busy_source
WHERE url IS NOT NULL AND next_read_at <= $1 AND (leased_until IS NULL OR leased_until <= $2)
ORDER BY next_read_at
LIMIT $3::integer;

-- name: lease_feeds :many
-- Lease these feeds; those that another worker has leased, or is leasing, are left to it. The end
-- of the lease is its proof.
-- params: organization_id uuid, ids uuid[], now timestamptz, real_now timestamptz, leased_until timestamptz
WITH free AS MATERIALIZED (
    SELECT mine.id
    FROM busy_source AS mine
    WHERE mine.organization_id = $1
        AND mine.id = ANY($2)
        AND mine.url IS NOT NULL
        AND mine.next_read_at <= $3
        AND (mine.leased_until IS NULL OR mine.leased_until <= $4)
    FOR UPDATE SKIP LOCKED
)
UPDATE busy_source
SET leased_until = $5
FROM free
WHERE busy_source.organization_id = $1 AND busy_source.id = ANY($2) AND busy_source.id = free.id
RETURNING busy_source.id, busy_source.subject_id, busy_source.name, busy_source.url,
    busy_source.last_read_at, busy_source.failing_since, busy_source.problem, busy_source.etag,
    busy_source.last_modified, busy_source.expanded_until;

-- name: feed_was_read :exec
-- A leased feed was read: what to ask it with next time, and until which minute it was expanded;
-- null where it had not changed, and those stay. No row if the lease is no longer ours.
-- params: organization_id uuid, id uuid, leased_until timestamptz, read_at timestamptz, next_read_at timestamptz, problem text, etag text, last_modified text, expanded_until integer
UPDATE busy_source
SET last_read_at = $4, next_read_at = $5, problem = $6, failing_since = NULL, warned_at = NULL,
    leased_until = NULL,
    etag = CASE WHEN $9::integer IS NULL THEN etag ELSE $7 END,
    last_modified = CASE WHEN $9::integer IS NULL THEN last_modified ELSE $8 END,
    expanded_until = coalesce($9, expanded_until)
WHERE organization_id = $1 AND id = $2 AND leased_until = $3;

-- name: feed_failed :maybe
-- A leased feed could not be read. Returns since when, and when its owner was notified; no row if
-- the lease is no longer ours.
-- params: organization_id uuid, id uuid, leased_until timestamptz, failed_at timestamptz, next_read_at timestamptz, problem text
UPDATE busy_source
SET failing_since = coalesce(failing_since, $4), next_read_at = $5, problem = $6,
    leased_until = NULL
WHERE organization_id = $1 AND id = $2 AND leased_until = $3
RETURNING failing_since, warned_at;

-- name: feed_owner_warned :exec
-- The owner of a failing feed was notified.
-- params: organization_id uuid, id uuid, warned_at timestamptz
UPDATE busy_source
SET warned_at = $3
WHERE organization_id = $1 AND id = $2 AND failing_since IS NOT NULL;

-- name: own_event_ids :many
-- Which of these are appointments or sessions of the organization: their events in a calendar are
-- echoes.
-- params: organization_id uuid, ids uuid[]
SELECT id
FROM appointment
WHERE organization_id = $1 AND id = ANY($2)
UNION ALL
SELECT id
FROM session
WHERE organization_id = $1 AND id = ANY($2);

-- name: furthest_advance_days :one
-- How many days ahead customers can book in the organization, at most.
-- params: organization_id uuid
SELECT greatest(
    (SELECT max(max_advance_booking_days) FROM provider WHERE organization_id = $1),
    (SELECT max(max_advance_booking_days) FROM service WHERE organization_id = $1),
    0
) AS days;

-- name: state_of_feeds :one
-- How many feeds can't be read, and since when the one that is longest due has waited; null where
-- none is due.
-- params: now timestamptz
-- scope: all organizations
SELECT count(*) FILTER (WHERE failing_since IS NOT NULL) AS failing,
    min(next_read_at) FILTER (WHERE next_read_at <= $1) AS due_since
FROM busy_source
WHERE url IS NOT NULL;
