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
-- and the versions of what it rests on: the rules by which that is decided, the organization's row
-- and the customer's. $16 is the length of the longest claim.
-- params: organization_id uuid, mutation text, caller text, key text, subject text, email text, phone text, guest_origin bytea, open_at timestamptz, day date, customer_id uuid, service_id uuid, subject_ids uuid[], claimed_froms integer[], claimed_untils integer[], longest_minutes integer
SELECT {{before_booking_columns}}, rules_version, is_free, organization_version, customer_version
FROM circumstances_of_booking(
    organization_id => $1, alone => '{}', shared => '{}', for_mutation => $2, of_caller => $3, given_key => $4,
    given_subject => $5, given_email => $6, given_phone => $7, from_origin => $8, open_at => $9, on_day => $10,
    named_customer => $11, for_service => $12, subject_ids => $13, claimed_froms => $14, claimed_untils => $15,
    longest_minutes => $16
);

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

-- name: look_before_change :maybe
-- An appointment, without any lock, and with it what a cancellation or a move rests on: its own time
-- and the zone of each subject that gives it; the version of the rules by which a new time is
-- decided; whether the customer is erased, and whether their other visits matter, since the
-- organization does not allow them to overlap; whether the key is used; when the organization
-- reminds, and the version of its settings; and whether nothing else takes minute $6 of the lead's
-- time. $7 is the length of the longest claim.
-- params: organization_id uuid, appointment_id uuid, mutation text, caller text, key text, minute integer, longest_minutes integer
SELECT found.*, own.claimed_ids, own.time_zones, own.claims, customer.erased_at IS NOT NULL AS is_erased,
    NOT organization.allows_customer_overlap AND (customer.subject IS NOT NULL OR customer.made_by_staff)
    AS is_limited,
    organization.reminder_minutes_before AS reminders, organization.xmin AS organization_version,
    EXISTS (
        SELECT
        FROM idempotency_key AS known
        WHERE known.organization_id = $1 AND known.mutation = $3 AND known.caller = $4 AND known.key = $5
    ) AS is_used,
    (
        SELECT sum(taken.rules_version)::bigint
        FROM subject AS taken
        WHERE taken.organization_id = $1 AND taken.id = ANY (own.claimed_ids)
    ) + coalesce((
        SELECT booked.rules_version
        FROM service AS booked
        WHERE booked.organization_id = $1 AND booked.id = found.service_id
    ), 0) AS rules_version,
    NOT EXISTS (
        SELECT
        FROM claim
        WHERE claim.organization_id = $1
            AND claim.subject_id = found.provider_id
            AND claim.active
            -- What begins earlier is over by then: it bounds the read of the index.
            AND claim.claimed_from > $6::integer - $7::integer
            AND claim.claimed_from <= $6
            AND claim.claimed_until > $6
            AND claim.appointment_id IS DISTINCT FROM $2
    ) AND NOT EXISTS (
        SELECT
        FROM busy_time
        WHERE busy_time.organization_id = $1
            AND busy_time.subject_id = found.provider_id
            AND busy_time.busy_from > $6::integer - $7::integer
            AND busy_time.busy_from <= $6
            AND busy_time.busy_until > $6
    ) AS is_free
FROM (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1 AND id = $2
) AS found
JOIN customer ON customer.organization_id = $1 AND customer.id = found.customer_id
JOIN organization ON organization.id = $1
CROSS JOIN LATERAL (
    SELECT array_agg(claim.subject_id ORDER BY claim.subject_id, claim.unit) AS claimed_ids,
        array_agg(
            coalesce((
                SELECT provider.time_zone
                FROM provider
                WHERE provider.organization_id = $1 AND provider.id = claim.subject_id
            ), (
                SELECT resource.time_zone
                FROM resource
                WHERE resource.organization_id = $1 AND resource.id = claim.subject_id
            ))
            ORDER BY claim.subject_id, claim.unit
        ) AS time_zones,
        array_agg(
            ARRAY[claim.claimed_from, claim.claimed_until, claim.visit_from, claim.visit_until, claim.unit]
            ORDER BY claim.subject_id, claim.unit
        ) AS claims
    FROM claim
    WHERE claim.organization_id = $1 AND claim.appointment_id = $2 AND claim.active
) AS own;

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
