-- name: before_booking :one
-- What a booking needs, under the locks of its key, contact and network: the result of the key; the customer's record,
-- by subject, or for a guest by e-mail or, without one, by phone; how many confirmed appointments are not over, the
-- customer's and those booked by guests of the network; and how many bookings those guests made on the day. Always one
-- row.
-- The customer is locked against an erasure: one that was erased while this waited is not found, and one that is found
-- is not erased before this transaction ends.
-- params: organization_id uuid, mutation text, caller text, key text, subject text, email text, phone text, guest_origin bytea, open_at timestamptz, day date
SELECT known.request_hash, known.appointment_id, known.hold_id, known.session_id,
    customer.id, customer.subject, customer.name, customer.email, customer.phone, customer.time_zone, customer.locale,
    customer.channels, customer.erased_at, opened.of_customer, (
        SELECT count(*)
        FROM appointment
        WHERE organization_id = $1 AND status = 'CONFIRMED' AND guest_origin = $8 AND ends_at > $9
    ) AS open_of_network, (
        SELECT count FROM network_tally WHERE organization_id = $1 AND origin = $8 AND day = $10 AND what = 'BOOKINGS'
    ) AS made_of_network
FROM (VALUES (true)) AS always
LEFT JOIN idempotency_key AS known
    ON known.organization_id = $1 AND known.mutation = $2 AND known.caller = $3 AND known.key = $4
LEFT JOIN LATERAL (
    SELECT {{customer_columns}}
    FROM customer
    WHERE organization_id = $1
        AND id = coalesce((
            SELECT id FROM customer WHERE organization_id = $1 AND subject = $5
        ), (
            SELECT id
            FROM customer
            WHERE $5 IS NULL AND organization_id = $1 AND subject IS NULL AND lower(email) = lower($6)
        ), (
            SELECT id
            FROM customer
            WHERE $5 IS NULL AND $6 IS NULL AND organization_id = $1 AND subject IS NULL AND email IS NULL
                AND phone = $7
        ))
        -- Compared again after waiting for the lock, unlike the addresses.
        AND erased_at IS NULL
    FOR KEY SHARE
) AS customer ON true
-- No visit lasts longer than three days (claim_length), so the index is entered three days before now.
LEFT JOIN LATERAL (
    SELECT count(*) AS of_customer
    FROM appointment
    WHERE organization_id = $1
        AND customer_id = customer.id
        AND status = 'CONFIRMED'
        AND starts_at > $9::timestamptz - interval '3 days'
        AND ends_at > $9
) AS opened ON true;
