-- name: lock_any_session :exec
-- A session, whether it has ended or not, locked until the transaction ends.
-- params: organization_id uuid, id uuid
SELECT id
FROM session
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: parties_of_session :one
-- Who has active seats in a session, expired ones left out: confirmed appointments and holds.
-- params: organization_id uuid, session_id uuid, now timestamptz
SELECT coalesce(array_agg(DISTINCT appointment_id) FILTER (WHERE appointment_id IS NOT NULL), '{}') AS appointment_ids,
    coalesce(array_agg(DISTINCT hold_id) FILTER (WHERE hold_id IS NOT NULL), '{}') AS hold_ids
FROM seat
WHERE organization_id = $1 AND session_id = $2 AND active AND (expires_at IS NULL OR expires_at > $3);

-- name: cancel_session :exec
-- End a session, which is locked, for all who have seats in it: their seats and its time are given back.
-- params: organization_id uuid, id uuid, ended_at timestamptz
WITH left_seats AS (
    UPDATE seat
    SET active = false
    WHERE organization_id = $1 AND session_id = $2 AND active
), its AS (
    SELECT id
    FROM claim
    WHERE organization_id = $1 AND session_id = $2 AND active
    -- As in free_hold_time.
    ORDER BY subject_id, unit, claimed_from
    FOR UPDATE
), freed AS (
    UPDATE claim
    SET active = false
    FROM its
    WHERE claim.organization_id = $1 AND claim.id = its.id
)
UPDATE session
SET ended_at = $3, is_cancelled = true, version = version + 1
WHERE organization_id = $1 AND id = $2;
