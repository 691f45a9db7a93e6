-- name: commit_position :one
-- How many transactions have ended where the organization's rows are, as this snapshot sees it: a
-- snapshot with one more commit gets a greater number, on any connection. It orders what different
-- processes read, and costs no write: no counter that bookings would wait for. The epoch is that of
-- end_of_events: it grows where the rows are on another server, whose numbers say nothing about
-- these.
-- params: organization_id uuid
SELECT coalesce(max(epoch), 0)
        + CASE WHEN count(*) FILTER (WHERE server_started_at = pg_postmaster_start_time()) = 0 THEN 1 ELSE 0 END
        AS epoch,
    (
        SELECT pg_snapshot_xmax(snapshot)::text::bigint - (SELECT count(*) FROM pg_snapshot_xip(snapshot))
        FROM pg_current_snapshot() AS snapshot
    ) AS commits
FROM event_epoch
WHERE organization_id = $1;

-- name: appointment_changes_since :many
-- The changes of the organization's appointments from $2 on, oldest first, with the providers that
-- each takes now; after the row ($3, $4) of a page before.
-- params: organization_id uuid, since timestamptz, after_appointment_id uuid, after_version integer, page_size integer
SELECT appointment_history.occurred_at, appointment_history.appointment_id,
    appointment_history.version, appointment_history.kind,
    coalesce(appointment.provider_ids, ARRAY[appointment.provider_id]) AS provider_ids,
    appointment.customer_id
FROM appointment_history
JOIN appointment
    ON appointment.organization_id = $1 AND appointment.id = appointment_history.appointment_id
WHERE appointment_history.organization_id = $1
    AND (appointment_history.occurred_at, appointment_history.appointment_id, appointment_history.version)
        > ($2, $3, $4)
ORDER BY appointment_history.occurred_at, appointment_history.appointment_id,
    appointment_history.version
LIMIT $5::integer;
