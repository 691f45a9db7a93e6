-- name: calendar_feed_by_id :maybe
-- Whose feed this is; no row where it was renewed since, or its owner was erased.
-- params: organization_id uuid, id uuid
SELECT id, provider_id, customer_id
FROM calendar_feed
WHERE organization_id = $1 AND id = $2;

-- name: calendar_feeds_of_owners :many
-- The feeds of these providers and customers; no row for one that has none.
-- params: organization_id uuid, owner_ids uuid[]
SELECT id, provider_id, customer_id
FROM calendar_feed
WHERE organization_id = $1 AND (provider_id = ANY($2) OR customer_id = ANY($2));

-- name: renew_feed_of_provider :exec
-- Give a provider's feed this id, in place of the one that it had.
-- params: organization_id uuid, id uuid, provider_id uuid, created_at timestamptz
INSERT INTO calendar_feed (organization_id, id, provider_id, created_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT calendar_feed_of_provider DO UPDATE SET id = excluded.id, created_at = excluded.created_at;

-- name: renew_feed_of_customer :exec
-- Give a customer's feed this id, in place of the one that it had.
-- params: organization_id uuid, id uuid, customer_id uuid, created_at timestamptz
INSERT INTO calendar_feed (organization_id, id, customer_id, created_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT calendar_feed_of_customer DO UPDATE SET id = excluded.id, created_at = excluded.created_at;

-- name: delete_feed_of_customer :exec
-- End a customer's feed.
-- params: organization_id uuid, customer_id uuid
DELETE FROM calendar_feed
WHERE organization_id = $1 AND customer_id = $2;

-- fragment: entry_columns
-- What a feed shows of an appointment; changed_at is when its version was made.
id, provider_id, provider_ids, service_id, session_id, seats, status, starts_at, ends_at, version,
contact_name, contact_email, contact_phone,
coalesce((
    SELECT change.occurred_at
    FROM appointment_history AS change
    WHERE change.organization_id = $1 AND change.appointment_id = appointment.id AND change.version = appointment.version
), created_at) AS changed_at;

-- name: entries_of_provider :many
-- The provider's appointments that start from an instant on and have their time alone, but for
-- cancelled ones: the earliest ones, in order.
-- params: organization_id uuid, provider_id uuid, from_start timestamptz, most integer
SELECT *
FROM (
    (
        SELECT {{entry_columns}}
        FROM appointment
        WHERE organization_id = $1 AND provider_id = $2 AND starts_at >= $3 AND session_id IS NULL AND status <> 'CANCELLED'
        ORDER BY starts_at, id
        LIMIT $4::integer
    )
    UNION ALL
    (
        SELECT with_others.*
        FROM appointment_subject AS taken
        CROSS JOIN LATERAL (
            SELECT {{entry_columns}}
            FROM appointment
            WHERE organization_id = $1 AND id = taken.appointment_id AND session_id IS NULL AND status <> 'CANCELLED'
        ) AS with_others
        WHERE taken.organization_id = $1 AND taken.subject_id = $2 AND taken.position > 1 AND taken.starts_at >= $3
        ORDER BY taken.starts_at, taken.appointment_id
        LIMIT $4::integer
    )
) AS entry
ORDER BY starts_at, id
LIMIT $4::integer;

-- name: session_entries_of_provider :many
-- The sessions with the provider that start from an instant on and in which something is booked:
-- the earliest ones, in order. changed_at is when the last change of any appointment in it was
-- made.
-- params: organization_id uuid, provider_id uuid, from_start timestamptz, most integer
SELECT session.id, session.service_id, session.provider_id, session.starts_at, session.ends_at,
    session.version, booked.seats, booked.bookings, booked.changed_at
FROM session
CROSS JOIN LATERAL (
    SELECT sum(appointment.seats) FILTER (WHERE appointment.status <> 'CANCELLED') AS seats,
        count(*) FILTER (WHERE appointment.status <> 'CANCELLED') AS bookings,
        max(coalesce(change.occurred_at, appointment.created_at)) AS changed_at
    FROM appointment
    LEFT JOIN appointment_history AS change
        ON change.organization_id = $1
        AND change.appointment_id = appointment.id
        AND change.version = appointment.version
    WHERE appointment.organization_id = $1 AND appointment.session_id = session.id
) AS booked
WHERE session.organization_id = $1
    AND (session.provider_id = $2 OR session.provider_ids @> ARRAY[$2::uuid])
    AND session.starts_at >= $3
    AND NOT session.is_cancelled
    AND booked.bookings > 0
ORDER BY session.starts_at, session.id
LIMIT $4::integer;

-- name: entries_of_customer :many
-- The customer's appointments that start from an instant on, but for cancelled ones: the earliest
-- ones, in order.
-- params: organization_id uuid, customer_id uuid, from_start timestamptz, most integer
SELECT {{entry_columns}}
FROM appointment
WHERE organization_id = $1 AND customer_id = $2 AND starts_at >= $3 AND status <> 'CANCELLED'
ORDER BY starts_at, id
LIMIT $4::integer;

-- name: entry_of_appointment :maybe
-- The same of one appointment, cancelled or not, while its manage links are of this generation and
-- its customer is not erased; with the zone and the language of its customer.
-- params: organization_id uuid, appointment_id uuid, generation integer
SELECT {{entry_columns}}, customer_time_zone, contact_locale
FROM appointment
WHERE organization_id = $1 AND id = $2 AND manage_generation = $3
    AND NOT EXISTS (
        SELECT
        FROM customer
        WHERE customer.organization_id = $1 AND customer.id = appointment.customer_id AND customer.erased_at IS NOT NULL
    );
