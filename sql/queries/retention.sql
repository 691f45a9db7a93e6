-- name: holds_to_purge :many
-- A batch of the holds that ended longest ago. Nothing is locked.
-- params: expired_before timestamptz, batch_size integer
-- scope: all organizations
SELECT organization_id, id
FROM hold
WHERE expires_at < $1
ORDER BY expires_at
LIMIT $2::integer;

-- name: purge_holds :exec
-- Delete these old holds, with the claims, seats and keys that refer to them.
-- params: organization_id uuid, ids uuid[]
WITH keys AS (
    DELETE FROM idempotency_key WHERE organization_id = $1 AND hold_id = ANY($2)
), claims AS (
    DELETE FROM claim WHERE organization_id = $1 AND hold_id = ANY($2)
), seats AS (
    DELETE FROM seat WHERE organization_id = $1 AND hold_id = ANY($2)
)
DELETE FROM hold WHERE organization_id = $1 AND id = ANY($2);

-- name: purge_claims :one
-- Delete a batch of freed times that would be over by now, and return how many there were. $1 is in
-- minutes since 1970.
-- params: ended_before integer, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM claim
    WHERE (organization_id, id) IN (
        SELECT organization_id, id
        FROM claim
        WHERE NOT active AND claimed_until < $1
        ORDER BY claimed_until
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;

-- name: purge_seats :one
-- Delete a batch of seats that were given back, of sessions that would be over by now, and return
-- how many there were.
-- params: ended_before timestamptz, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM seat
    WHERE (organization_id, id) IN (
        SELECT seat.organization_id, seat.id
        FROM seat
        JOIN session ON session.organization_id = seat.organization_id AND session.id = seat.session_id
        WHERE NOT seat.active AND session.ends_at < $1
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;

-- name: purge_sessions :one
-- Delete a batch of sessions that have ended, would be over by now, and that nothing refers to any
-- more: no appointment ever had a seat there, or moved away, and the rest was purged. Returns how
-- many there were.
-- params: ended_before timestamptz, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM session
    WHERE (organization_id, id) IN (
        SELECT organization_id, id
        FROM session
        WHERE ended_at IS NOT NULL AND ends_at < $1
            AND NOT EXISTS (
                SELECT FROM appointment
                WHERE appointment.organization_id = session.organization_id AND appointment.session_id = session.id
            )
            AND NOT EXISTS (
                SELECT FROM hold WHERE hold.organization_id = session.organization_id AND hold.session_id = session.id
            )
            AND NOT EXISTS (
                SELECT FROM claim WHERE claim.organization_id = session.organization_id AND claim.session_id = session.id
            )
            AND NOT EXISTS (
                SELECT FROM seat WHERE seat.organization_id = session.organization_id AND seat.session_id = session.id
            )
            AND NOT EXISTS (
                SELECT FROM reminder_log
                WHERE reminder_log.organization_id = session.organization_id AND reminder_log.session_id = session.id
            )
            AND NOT EXISTS (
                SELECT FROM idempotency_key
                WHERE idempotency_key.organization_id = session.organization_id AND idempotency_key.session_id = session.id
            )
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;

-- name: purge_messages :one
-- Delete a batch of the log of messages, oldest first, and return how many there were. Waiting
-- messages stay.
-- params: made_before timestamptz, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM reminder_log
    WHERE (organization_id, id) IN (
        SELECT organization_id, id
        FROM reminder_log
        WHERE created_at < $1 AND status <> 'PENDING'
        ORDER BY created_at
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;

-- name: erased_customers_with_history :many
-- A batch of the customers who were erased long ago and whose appointments still have a history.
-- Nothing is locked.
-- params: erased_before timestamptz, batch_size integer
-- scope: all organizations
SELECT organization_id, id
FROM customer
WHERE erased_at < $1
    AND EXISTS (
        SELECT
        FROM appointment
        JOIN appointment_history
            ON appointment_history.organization_id = appointment.organization_id
            AND appointment_history.appointment_id = appointment.id
        WHERE appointment.organization_id = customer.organization_id AND appointment.customer_id = customer.id
    )
ORDER BY erased_at
LIMIT $2::integer;

-- name: purge_history_of_customer :exec
-- Delete the history of an erased customer's appointments. The appointments themselves stay.
-- params: organization_id uuid, customer_id uuid
DELETE FROM appointment_history
WHERE organization_id = $1
    AND appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $2);

-- name: purge_busy_times :one
-- Delete a batch of busy times that ended before the minute $1, and return how many there were.
-- params: ended_before integer, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM busy_time
    WHERE (organization_id, subject_id, busy_from, source_id, is_floating) IN (
        SELECT organization_id, subject_id, busy_from, source_id, is_floating
        FROM busy_time
        WHERE busy_until <= $1
        ORDER BY busy_until
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;

-- name: purge_busy_readings :one
-- Delete a batch of readings that were over on every clock before the minute $1, and return how
-- many there were.
-- params: ended_before integer, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM busy_reading
    WHERE (organization_id, subject_id, source_id, from_reading) IN (
        SELECT organization_id, subject_id, source_id, from_reading
        FROM busy_reading
        WHERE until_reading <= timestamp '1970-01-01' + ($1::integer - 1440) * interval '1 minute'
        ORDER BY until_reading
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;

-- name: purge_revoked_tokens :one
-- Delete a batch of revocations whose tokens have expired, and return how many there were.
-- params: expired_before timestamptz, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM revoked_token
    WHERE (organization_id, token_id) IN (
        SELECT organization_id, token_id
        FROM revoked_token
        WHERE expires_at < $1
        ORDER BY expires_at
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;

-- name: purge_events :one
-- Delete a batch of events, oldest first, and return how many there were.
-- params: happened_before timestamptz, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM event
    WHERE (organization_id, id) IN (
        SELECT organization_id, id
        FROM event
        WHERE occurred_at < $1
        ORDER BY occurred_at
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;
