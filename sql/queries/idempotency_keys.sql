-- name: idempotency_key :maybe
-- What this key stands for, if it was used.
-- params: organization_id uuid, mutation text, caller text, key text
SELECT request_hash, appointment_id, hold_id
FROM idempotency_key
WHERE organization_id = $1 AND mutation = $2 AND caller = $3 AND key = $4;

-- name: is_taken_without_key :one
-- Whether a visit stands at this minute, and the key was never used: both in one look, so that who asks again for what
-- they have is not told that it is taken. No claim lasts longer than three days (claim_length).
-- params: organization_id uuid, provider_id uuid, minute integer, mutation text, caller text, key text
SELECT EXISTS (
    SELECT FROM claim
    WHERE organization_id = $1
        AND provider_id = $2
        AND active
        AND expires_at IS NULL
        AND claimed_from > $3::integer - 4320
        AND visit_from <= $3
        AND visit_until > $3
) AND NOT EXISTS (
    SELECT FROM idempotency_key WHERE organization_id = $1 AND mutation = $4 AND caller = $5 AND key = $6
) AS taken;

-- name: insert_idempotency_key :exec
-- Remember the key with what it made. Its lock is held, so it is not there yet.
-- params: organization_id uuid, mutation text, caller text, key text, request_hash bytea, appointment_id uuid, hold_id uuid, created_at timestamptz
INSERT INTO idempotency_key (organization_id, mutation, caller, key, request_hash, appointment_id, hold_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: purge_idempotency_keys :one
-- Forget a batch of the oldest keys made before $1, and say how many there were.
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
