-- name: lock_any_session :exec
-- A session, whether it has ended or not, locked until the transaction ends.
-- params: organization_id uuid, id uuid
SELECT id
FROM session
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: parties_of_session :one
-- Who is in a session: its confirmed appointments, and the holds with seats that have not expired.
-- params: organization_id uuid, session_id uuid, now timestamptz
SELECT ARRAY(
        SELECT appointment.id
        FROM appointment
        WHERE appointment.organization_id = $1 AND appointment.session_id = $2 AND appointment.status = 'CONFIRMED'
    ) AS appointment_ids,
    ARRAY(
        SELECT DISTINCT seat.hold_id
        FROM seat
        WHERE seat.organization_id = $1 AND seat.session_id = $2 AND seat.active AND seat.expires_at > $3
    ) AS hold_ids;

-- name: limited_customers_of_session :many
-- The customers with an account, or whom staff entered, who have confirmed appointments in a
-- session; none where the organization allows customers to be in two places at once.
-- params: organization_id uuid, session_id uuid
SELECT DISTINCT customer.id, customer.subject
FROM appointment
JOIN customer ON customer.organization_id = $1 AND customer.id = appointment.customer_id
JOIN organization ON organization.id = $1
WHERE appointment.organization_id = $1
    AND appointment.session_id = $2
    AND appointment.status = 'CONFIRMED'
    AND (customer.subject IS NOT NULL OR (customer.made_by_staff AND customer.erased_at IS NULL))
    AND NOT organization.allows_customer_overlap;

-- name: cancel_session :exec
-- End a session, which is locked, for all who have seats in it: their seats and its time are given
-- back.
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

-- name: free_session_time :exec
-- Free all of a session's time, which is locked, for what it takes instead.
-- params: organization_id uuid, session_id uuid
WITH its AS (
    SELECT id
    FROM claim
    WHERE organization_id = $1 AND session_id = $2 AND active
    -- As in free_hold_time.
    ORDER BY subject_id, unit, claimed_from
    FOR UPDATE
)
UPDATE claim
SET active = false
FROM its
WHERE claim.organization_id = $1 AND claim.id = its.id;

-- name: move_session :exec
-- A session, which is locked, at another time, or with others, in its next version.
-- params: organization_id uuid, id uuid, provider_id uuid, provider_ids uuid[], resource_ids uuid[], starts_at timestamptz, ends_at timestamptz, time_version integer
UPDATE session
SET provider_id = $3, provider_ids = $4, resource_ids = $5, starts_at = $6, ends_at = $7,
    version = version + 1, time_version = $8
WHERE organization_id = $1 AND id = $2;
