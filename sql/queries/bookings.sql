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

-- name: book_as_seen :exec
-- The one statement of a booking's short way, sent instead of those that write it one by one, whose
-- parameters it takes. The locks are taken without waiting, what was seen before is compared with what
-- is there, and all is written; then it gives null. Where a lock or the customer's address is taken, or
-- anything has changed, it gives a word: LOCKED, TAKEN or CHANGED. Where the time is taken, it fails by
-- claim_no_overlap, and where the key is, with SW001.
-- in place of: insert_customer, insert_appointment, add_to_network_tally, insert_history, insert_outbox, begin_epoch, insert_events, insert_idempotency_key
-- params: organization_id uuid, alone bigint[], shared bigint[], seen_organization xid, seen_rules bigint, seen_customer uuid, seen_customer_version xid, seen_counts integer[], open_at timestamptz, on_day date, minute_from integer, minute_until integer, longest_minutes integer, claim_id uuid, unit integer, claimed_from timestamptz, claimed_until timestamptz, visit_from timestamptz, visit_until timestamptz, insert_customer.id uuid, insert_customer.subject text, insert_customer.name text, insert_customer.email text, insert_customer.phone text, insert_customer.time_zone text, insert_customer.locale text, insert_customer.channels text[], insert_appointment.id uuid, insert_appointment.provider_id uuid, insert_appointment.service_id uuid, insert_appointment.customer_id uuid, insert_appointment.starts_at timestamptz, insert_appointment.ends_at timestamptz, insert_appointment.customer_time_zone text, insert_appointment.contact_name text, insert_appointment.contact_email text, insert_appointment.contact_phone text, insert_appointment.contact_locale text, insert_appointment.contact_channels text[], insert_appointment.notes text, insert_appointment.price_minor bigint, insert_appointment.price_currency text, insert_appointment.policy_free_until_minutes_before integer, insert_appointment.policy_grace_minutes integer, insert_appointment.policy_late_cancellation text, insert_appointment.policy_late_fee_minor bigint, insert_appointment.policy_late_fee_currency text, insert_appointment.policy_late_fee_percent integer, insert_appointment.policy_charges_no_show boolean, insert_appointment.created_at timestamptz, insert_appointment.guest_origin bytea, add_to_network_tally.count integer, insert_history.actor text, insert_history.actor_subject text, insert_outbox.kinds text[], insert_outbox.due_at timestamptz[], insert_outbox.by_guest boolean, insert_outbox.origins bytea[], insert_events.ids uuid[], insert_events.types text[], insert_events.subject_ids uuid[], insert_events.versions integer[], insert_events.provider_ids uuid[], insert_events.customer_ids uuid[], insert_events.actor_subject text, insert_idempotency_key.mutation text, insert_idempotency_key.caller text, insert_idempotency_key.key text, insert_idempotency_key.request_hash bytea
SELECT against
FROM try_to_book(
    organization_id => $1, alone => $2, shared => $3, seen_organization => $4, seen_rules => $5,
    seen_customer => $6, seen_customer_version => $7, seen_counts => $8, open_at => $9, on_day => $10,
    minute_from => $11, minute_until => $12, longest_minutes => $13, claim_id => $14, unit => $15,
    claimed_from => $16, claimed_until => $17, visit_from => $18, visit_until => $19, new_customer => $20,
    customer_subject => $21, customer_name => $22, customer_email => $23, customer_phone => $24,
    customer_time_zone => $25, customer_locale => $26, customer_channels => $27, appointment_id => $28,
    provider_id => $29, service_id => $30, customer_id => $31, starts_at => $32, ends_at => $33,
    visitor_time_zone => $34, contact_name => $35, contact_email => $36, contact_phone => $37,
    contact_locale => $38, contact_channels => $39, notes => $40, price_minor => $41, price_currency => $42,
    policy_free_until_minutes_before => $43, policy_grace_minutes => $44, policy_late_cancellation => $45,
    policy_late_fee_minor => $46, policy_late_fee_currency => $47, policy_late_fee_percent => $48,
    policy_charges_no_show => $49, booked_at => $50, from_origin => $51, tallied => $52, actor => $53,
    actor_subject => $54, planned_kinds => $55, planned_for => $56, by_guest => $57, planned_origins => $58,
    event_ids => $59, event_types => $60, event_subjects => $61, event_versions => $62,
    event_providers => $63, event_customers => $64, staff_subject => $65, mutation => $66, caller => $67,
    key => $68, request_hash => $69
) AS against;

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

-- name: look_before_change :one
-- An appointment, without any lock, or nulls where there is none; and with it what a cancellation or a
-- move rests on: its own time and the zone of each subject that gives it; the version of the rules by
-- which a new time is decided; whether the customer is erased, and whether their other visits matter,
-- since the organization does not allow them to overlap; whether the key is used; when the
-- organization reminds, and the version of its settings; and whether nothing else takes minute $6 of
-- the lead's time. $7 is the length of the longest claim.
-- params: organization_id uuid, appointment_id uuid, mutation text, caller text, key text, minute integer, longest_minutes integer
SELECT found.*, own.claimed_ids, own.time_zones, own.claims, customer.erased_at IS NOT NULL AS is_erased,
    NOT organization.allows_customer_overlap AND (customer.subject IS NOT NULL OR customer.made_by_staff)
    AS is_limited,
    organization.reminder_minutes_before AS reminders, organization.version AS organization_version,
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
FROM (VALUES (true)) AS always
LEFT JOIN (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1 AND id = $2
) AS found ON true
LEFT JOIN customer ON customer.organization_id = $1 AND customer.id = found.customer_id
CROSS JOIN (
    SELECT allows_customer_overlap, reminder_minutes_before, xmin AS version
    FROM organization
    WHERE id = $1
    -- Citus can't send xmin of a joined table, and OFFSET keeps this a query of its own.
    OFFSET 0
) AS organization
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
