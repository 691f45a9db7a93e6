-- fragment: hold_columns
-- The columns of a hold, as `_hold` reads them.
id, provider_id, provider_ids, named, resource_ids, session_id, seats, ignored, service_id, starts_at, ends_at, expires_at, ended_at;

-- name: hold_by_id :maybe
-- A hold, whether it is still in force or not.
-- params: organization_id uuid, id uuid
SELECT {{hold_columns}}
FROM hold
WHERE organization_id = $1 AND id = $2;

-- name: holds_by_ids :many
-- The existing ones of these holds, whether they are still in force or not.
-- params: organization_id uuid, ids uuid[]
SELECT {{hold_columns}}
FROM hold
WHERE organization_id = $1 AND id = ANY($2);

-- name: hold_for_update :maybe
-- A hold, locked until the transaction ends: it is used or released once.
-- params: organization_id uuid, id uuid
SELECT {{hold_columns}}
FROM hold
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: holds_of_session_for_update :many
-- The holds in a session whose end is not recorded yet, locked until the transaction ends, in one
-- order.
-- params: organization_id uuid, session_id uuid
SELECT {{hold_columns}}
FROM hold
WHERE organization_id = $1 AND session_id = $2 AND ended_at IS NULL
ORDER BY id
FOR UPDATE;

-- name: count_open_holds :one
-- How many holds this caller has open at an instant; asked under the caller's lock.
-- params: organization_id uuid, caller text, open_at timestamptz
SELECT count(*) AS open
FROM hold
WHERE organization_id = $1 AND caller = $2 AND ended_at IS NULL AND expires_at > $3;

-- name: insert_hold :exec
-- Stores a hold, in force until it expires.
-- params: organization_id uuid, id uuid, provider_id uuid, service_id uuid, caller text, starts_at timestamptz, ends_at timestamptz, created_at timestamptz, expires_at timestamptz, provider_ids uuid[], named integer, resource_ids uuid[], session_id uuid, seats integer, ignored text[]
INSERT INTO hold (organization_id, id, provider_id, service_id, caller, starts_at, ends_at, created_at, expires_at,
    provider_ids, named, resource_ids, session_id, seats, ignored)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- name: end_hold :exec
-- The hold was released or used, or has expired; no row where that was recorded before.
-- params: organization_id uuid, id uuid, ended_at timestamptz
UPDATE hold
SET ended_at = $3
WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL;

-- name: move_hold :exec
-- A hold, which is locked, in a session that moved.
-- params: organization_id uuid, id uuid, starts_at timestamptz, ends_at timestamptz, provider_id uuid, provider_ids uuid[], named integer, resource_ids uuid[], session_id uuid, seats integer, ignored text[]
UPDATE hold
SET starts_at = $3, ends_at = $4, provider_id = $5, provider_ids = $6, named = $7,
    resource_ids = $8, session_id = $9, seats = $10, ignored = $11
WHERE organization_id = $1 AND id = $2;

-- name: end_holds :exec
-- These holds, which are locked, ended.
-- params: organization_id uuid, ids uuid[], ended_at timestamptz
UPDATE hold
SET ended_at = $3
WHERE organization_id = $1 AND id = ANY($2);

-- name: expired_holds :many
-- A batch of holds that expired unused and whose end is not recorded yet, of all organizations.
-- Nothing is locked.
-- params: expired_by timestamptz, batch_size integer
-- scope: all organizations
SELECT organization_id, id, provider_id, expires_at
FROM hold
WHERE ended_at IS NULL AND expires_at <= $1
ORDER BY expires_at
LIMIT $2::integer;
