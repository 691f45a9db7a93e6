-- name: waiting_since :one
-- When the oldest due entry of the outbox was due, and since when the oldest message that may be
-- sent waits; null where nothing does.
-- params: due_by timestamptz, real_now timestamptz
-- scope: all organizations
SELECT
    (SELECT min(due_at) FROM message_outbox WHERE due_at <= $1) AS outbox_since,
    (SELECT min(lease_until) FROM reminder_log WHERE status = 'PENDING' AND lease_until <= $2) AS messages_since;
