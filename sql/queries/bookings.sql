-- name: before_booking :one
-- What a booking needs, under the locks of its key, contact and network: the result of the key; the
-- customer's record, the one that staff named, or by subject, or for a guest by e-mail or, without
-- one, by phone; how many confirmed appointments are not over, the customer's and those booked by
-- guests of the network; how many bookings those guests made on the day; whether the organization
-- allows customers to be in two places at once; and when it reminds. Always one row. The customer
-- is locked against an erasure: one that was erased while this waited is not found, and one that is
-- found is not erased before this transaction ends.
-- params: organization_id uuid, mutation text, caller text, key text, subject text, email text, phone text, guest_origin bytea, open_at timestamptz, day date, customer_id uuid
SELECT known.request_hash, known.appointment_id, known.hold_id, known.session_id, customer.id,
    customer.subject, customer.name, customer.email, customer.phone, customer.time_zone,
    customer.locale,
    customer.channels, customer.created_at, customer.external_id, customer.made_by_staff, customer.erased_at, opened.of_customer, (
        SELECT count(*)
        FROM appointment
        WHERE organization_id = $1 AND status = 'CONFIRMED' AND guest_origin = $8 AND ends_at > $9
    ) AS open_of_network, (
        SELECT count FROM network_tally WHERE organization_id = $1 AND origin = $8 AND day = $10 AND what = 'BOOKINGS'
    ) AS made_of_network, (
        SELECT allows_customer_overlap FROM organization WHERE id = $1
    ) AS allows_overlap, (
        SELECT reminder_minutes_before FROM organization WHERE id = $1
    ) AS reminders
FROM (VALUES (true)) AS always
LEFT JOIN idempotency_key AS known
    ON known.organization_id = $1 AND known.mutation = $2 AND known.caller = $3 AND known.key = $4
LEFT JOIN LATERAL (
    SELECT {{customer_columns}}
    FROM customer
    WHERE organization_id = $1
        AND id = coalesce($11::uuid, (
            SELECT id FROM customer WHERE organization_id = $1 AND subject = $5
        ), (
            SELECT id
            FROM customer
            WHERE $5 IS NULL AND organization_id = $1 AND subject IS NULL AND NOT made_by_staff
                AND lower(email) = lower($6)
        ), (
            SELECT id
            FROM customer
            WHERE $5 IS NULL AND $6 IS NULL AND organization_id = $1 AND subject IS NULL AND NOT made_by_staff
                AND email IS NULL AND phone = $7
        ))
        -- Compared again after waiting for the lock, unlike the addresses.
        AND erased_at IS NULL
    FOR KEY SHARE
) AS customer ON true
-- No visit lasts longer than three days (claim_length), so the index is entered three days before
-- now.
LEFT JOIN LATERAL (
    SELECT count(*) AS of_customer
    FROM appointment
    WHERE organization_id = $1
        AND customer_id = customer.id
        AND status = 'CONFIRMED'
        AND starts_at > $9::timestamptz - interval '3 days'
        AND ends_at > $9
) AS opened ON true;

-- name: before_move :one
-- What a move needs under the lock of its key: the result of the key; the appointment's customer,
-- with the subject of their account, where they have one or staff entered them, null for a guest;
-- whether the organization allows customers to be in two places at once; and when it reminds.
-- Always one row.
-- params: organization_id uuid, mutation text, caller text, key text, appointment_id uuid
SELECT known.request_hash, known.appointment_id, known.hold_id, known.session_id,
    customer.id AS customer_id,
    customer.subject, (
        SELECT allows_customer_overlap FROM organization WHERE id = $1
    ) AS allows_overlap, (
        SELECT reminder_minutes_before FROM organization WHERE id = $1
    ) AS reminders
FROM (VALUES (true)) AS always
LEFT JOIN idempotency_key AS known
    ON known.organization_id = $1 AND known.mutation = $2 AND known.caller = $3 AND known.key = $4
LEFT JOIN appointment ON appointment.organization_id = $1 AND appointment.id = $5
LEFT JOIN customer
    ON customer.organization_id = $1
    AND customer.id = appointment.customer_id
    AND (customer.subject IS NOT NULL OR (customer.made_by_staff AND customer.erased_at IS NULL));

-- name: visits_of_customer :many
-- A customer's confirmed visits that count for their limits: those of a service that are not over,
-- and those that overlap the time from $5 to $6; but for one appointment.
-- params: organization_id uuid, customer_id uuid, service_id uuid, open_at timestamptz, from_start timestamptz, until_end timestamptz, without uuid
SELECT service_id, starts_at, ends_at
FROM appointment
WHERE organization_id = $1
    AND customer_id = $2
    AND status = 'CONFIRMED'
    AND id IS DISTINCT FROM $7
    -- As in before_booking.
    AND starts_at > least($4::timestamptz, $5::timestamptz) - interval '3 days'
    AND ((service_id = $3 AND ends_at > $4) OR (starts_at < $6 AND ends_at > $5));
