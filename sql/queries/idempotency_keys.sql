-- name: idempotency_key :maybe
-- The result that this key was used for, if any.
-- params: organization_id uuid, mutation text, caller text, key text
SELECT request_hash, appointment_id, hold_id, session_id
FROM idempotency_key
WHERE organization_id = $1 AND mutation = $2 AND caller = $3 AND key = $4;

-- name: used_keys :many
-- Those of these keys that were used, by their index in the arrays, from 1 on.
-- params: organization_id uuid, mutations text[], callers text[], keys text[]
SELECT wanted.place
FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS wanted (mutation, caller, key, place)
JOIN idempotency_key USING (mutation, caller, key)
WHERE organization_id = $1;

-- name: purge_idempotency_keys :one
-- Delete a batch of the oldest keys made before $1, and return how many there were.
-- params: made_before timestamptz, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM idempotency_key
    WHERE (organization_id, mutation, caller, key) IN (
        SELECT organization_id, mutation, caller, key
        FROM idempotency_key
        WHERE created_at < $1
        ORDER BY created_at
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;
