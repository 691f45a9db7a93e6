-- fragment: before_booking_columns
-- What a booking rests on, as `_before` reads it.
request_hash, appointment_id, hold_id, session_id, id, subject, name, email, phone, time_zone,
    locale, channels, created_at, external_id, made_by_staff, erased_at, of_customer, open_of_network,
    made_of_network, allows_overlap, reminders;

-- name: before_booking :one
-- Take these locks, those of the key, contact and network among them, and share the others; then
-- what a booking needs under them, see circumstances_of_booking. Always one row.
-- params: organization_id uuid, alone bigint[], shared bigint[], mutation text, caller text, key text, subject text, email text, phone text, guest_origin bytea, open_at timestamptz, day date, customer_id uuid
SELECT {{before_booking_columns}}
FROM circumstances_of_booking(
    organization_id => $1, alone => $2, shared => $3, for_mutation => $4, of_caller => $5, given_key => $6,
    given_subject => $7, given_email => $8, given_phone => $9, from_origin => $10, open_at => $11, on_day => $12,
    named_customer => $13, for_service => NULL, subject_ids => '{}', claimed_froms => '{}', claimed_untils => '{}',
    longest_minutes => 0
);

-- name: look_before_booking :one
-- The same without any lock, with whether the time is free that each of these subjects would give,
-- and the version of the rules by which that is decided; and a fingerprint of all of it. $16 is the
-- length of the longest claim.
-- params: organization_id uuid, mutation text, caller text, key text, subject text, email text, phone text, guest_origin bytea, open_at timestamptz, day date, customer_id uuid, service_id uuid, subject_ids uuid[], claimed_froms integer[], claimed_untils integer[], longest_minutes integer
SELECT {{before_booking_columns}}, rules_version, is_free, hashtextextended(found::text, 0) AS fingerprint
FROM circumstances_of_booking(
    organization_id => $1, alone => '{}', shared => '{}', for_mutation => $2, of_caller => $3, given_key => $4,
    given_subject => $5, given_email => $6, given_phone => $7, from_origin => $8, open_at => $9, on_day => $10,
    named_customer => $11, for_service => $12, subject_ids => $13, claimed_froms => $14, claimed_untils => $15,
    longest_minutes => $16
) AS found;

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
    -- No visit lasts longer than three days (claim_length), so the index is entered three days
    -- before.
    AND starts_at > least($4::timestamptz, $5::timestamptz) - interval '3 days'
    AND ((service_id = $3 AND ends_at > $4) OR (starts_at < $6 AND ends_at > $5));
