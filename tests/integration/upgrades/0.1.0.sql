-- name: appointment_by_ids :many
-- The appointments with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency
FROM appointment
WHERE organization_id = $1 AND id = ANY($2);

-- name: appointments_of_organization_forward :many
-- A page of all the organization's appointments in the order of (starts_at, id), strictly between two cursors; null ones
-- bound nothing. $7 and $8 bound the start, from inclusive to exclusive, $9 the status.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[]
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency
FROM appointment
WHERE organization_id = $1
    AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    AND starts_at >= coalesce($7::timestamptz, '-infinity')
    AND starts_at < coalesce($8::timestamptz, 'infinity')
    AND ($9::text[] IS NULL OR status = ANY($9))
ORDER BY starts_at, id
LIMIT $6::integer;

-- name: appointments_of_providers_forward :many
-- The same page of each of these providers' appointments in the order of (starts_at, id), strictly between two
-- cursors; null ones bound nothing. $7 and $8 bound the start, from inclusive to exclusive, $9 the status.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], provider_ids uuid[]
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency
FROM unnest($10::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
        contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
        price_currency,
        policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
        policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
        cancellation_fee_currency
    FROM appointment
    WHERE organization_id = $1 AND provider_id = wanted.wanted_id
        AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
        AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        AND starts_at >= coalesce($7::timestamptz, '-infinity')
        AND starts_at < coalesce($8::timestamptz, 'infinity')
        AND ($9::text[] IS NULL OR status = ANY($9))
    ORDER BY starts_at, id
    LIMIT $6::integer
) AS page
ORDER BY starts_at, id;

-- name: appointments_of_customer_forward :many
-- A page of a customer's appointments in the order of (starts_at, id), strictly between two cursors; null ones
-- bound nothing. $7 and $8 bound the start, from inclusive to exclusive, $9 the status.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], customer_id uuid
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency
FROM appointment
WHERE organization_id = $1 AND customer_id = $10
    AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    AND starts_at >= coalesce($7::timestamptz, '-infinity')
    AND starts_at < coalesce($8::timestamptz, 'infinity')
    AND ($9::text[] IS NULL OR status = ANY($9))
ORDER BY starts_at, id
LIMIT $6::integer;

-- name: appointments_of_organization_backward :many
-- The same list from its other end: the last of all the organization's appointments, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[]
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency
FROM appointment
WHERE organization_id = $1
    AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    AND starts_at >= coalesce($7::timestamptz, '-infinity')
    AND starts_at < coalesce($8::timestamptz, 'infinity')
    AND ($9::text[] IS NULL OR status = ANY($9))
ORDER BY starts_at DESC, id DESC
LIMIT $6::integer;

-- name: appointments_of_providers_backward :many
-- The same lists from their other end: the last of each provider's appointments, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], provider_ids uuid[]
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency
FROM unnest($10::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
        contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
        price_currency,
        policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
        policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
        cancellation_fee_currency
    FROM appointment
    WHERE organization_id = $1 AND provider_id = wanted.wanted_id
        AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
        AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        AND starts_at >= coalesce($7::timestamptz, '-infinity')
        AND starts_at < coalesce($8::timestamptz, 'infinity')
        AND ($9::text[] IS NULL OR status = ANY($9))
    ORDER BY starts_at DESC, id DESC
    LIMIT $6::integer
) AS page
ORDER BY starts_at DESC, id DESC;

-- name: appointments_of_customer_backward :many
-- The same list from its other end: the last of a customer's appointments, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], customer_id uuid
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency
FROM appointment
WHERE organization_id = $1 AND customer_id = $10
    AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    AND starts_at >= coalesce($7::timestamptz, '-infinity')
    AND starts_at < coalesce($8::timestamptz, 'infinity')
    AND ($9::text[] IS NULL OR status = ANY($9))
ORDER BY starts_at DESC, id DESC
LIMIT $6::integer;

-- name: count_appointments_of_organization :one
-- How many appointments that list holds in all.
-- params: organization_id uuid, from_start timestamptz, until_start timestamptz, statuses text[]
SELECT count(*) AS total
FROM appointment
WHERE organization_id = $1
    AND starts_at >= coalesce($2::timestamptz, '-infinity')
    AND starts_at < coalesce($3::timestamptz, 'infinity')
    AND ($4::text[] IS NULL OR status = ANY($4));

-- name: count_appointments_of_providers :many
-- How many appointments each of those lists holds in all; no row for an empty one.
-- params: organization_id uuid, from_start timestamptz, until_start timestamptz, statuses text[], provider_ids uuid[]
SELECT provider_id, count(*) AS total
FROM appointment
WHERE organization_id = $1 AND provider_id = ANY($5)
    AND starts_at >= coalesce($2::timestamptz, '-infinity')
    AND starts_at < coalesce($3::timestamptz, 'infinity')
    AND ($4::text[] IS NULL OR status = ANY($4))
GROUP BY provider_id;

-- name: count_appointments_of_customer :one
-- How many appointments that list holds in all.
-- params: organization_id uuid, from_start timestamptz, until_start timestamptz, statuses text[], customer_id uuid
SELECT count(*) AS total
FROM appointment
WHERE organization_id = $1 AND customer_id = $5
    AND starts_at >= coalesce($2::timestamptz, '-infinity')
    AND starts_at < coalesce($3::timestamptz, 'infinity')
    AND ($4::text[] IS NULL OR status = ANY($4));

-- name: insert_appointment :exec
-- A confirmed appointment, in its first version.
-- params: organization_id uuid, id uuid, provider_id uuid, service_id uuid, customer_id uuid, starts_at timestamptz, ends_at timestamptz, customer_time_zone text, contact_name text, contact_email text, contact_phone text, contact_locale text, notes text, price_minor bigint, price_currency text, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, policy_late_fee_percent integer, contact_channels text[], created_at timestamptz, guest_origin bytea
INSERT INTO appointment (organization_id, id, provider_id, service_id, customer_id, status, starts_at, ends_at,
    customer_time_zone, contact_name, contact_email, contact_phone, contact_locale, notes, version, time_version,
    price_minor, price_currency, policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor,
    policy_late_fee_currency, policy_late_fee_percent, contact_channels, created_at, guest_origin)
VALUES ($1, $2, $3, $4, $5, 'CONFIRMED', $6, $7, $8, $9, $10, $11, $12, $13, 1, 1, $14, $15, $16, $17, $18, $19, $20,
    $21, $22, $23);

-- name: appointment_for_update :maybe
-- An appointment as it is now, locked until the transaction ends: changes of one appointment go one after the other.
-- params: organization_id uuid, id uuid
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency
FROM appointment
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: cancel_appointment :one
-- Cancel an appointment that is locked.
-- params: organization_id uuid, id uuid, cancelled_at timestamptz, reason text, fee_minor bigint, fee_currency text
UPDATE appointment
SET status = 'CANCELLED', version = version + 1, cancelled_at = $3, cancellation_reason = $4,
    cancellation_fee_minor = $5, cancellation_fee_currency = $6, guest_origin = NULL
WHERE organization_id = $1 AND id = $2
RETURNING id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency;

-- name: move_appointment :one
-- Give a locked appointment another time. The time version rises when the start does move.
-- params: organization_id uuid, id uuid, starts_at timestamptz, ends_at timestamptz
UPDATE appointment
SET starts_at = $3, ends_at = $4, version = version + 1,
    time_version = time_version + CASE WHEN starts_at = $3 THEN 0 ELSE 1 END
WHERE organization_id = $1 AND id = $2
RETURNING id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency;

-- name: close_appointment :one
-- Say of a locked appointment that it took place, or that nobody came.
-- params: organization_id uuid, id uuid, status text
UPDATE appointment
SET status = $3, version = version + 1, guest_origin = NULL
WHERE organization_id = $1 AND id = $2
RETURNING id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
    price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency;

-- name: appointments_to_complete :many
-- A batch of appointments that have ended and are still confirmed, whoever's they are.
-- params: ended_by timestamptz, batch_size integer
-- scope: all organizations
SELECT organization_id, id
FROM appointment
WHERE status = 'CONFIRMED' AND ends_at <= $1
ORDER BY ends_at
LIMIT $2::integer;

-- name: complete_ended :many
-- Complete those of these appointments that are still confirmed and have ended, and write their history. Whatever else
-- became of one meanwhile stays. They are locked in one order, so that two workers never wait for each other in a circle.
-- params: organization_id uuid, ids uuid[], ended_by timestamptz
WITH ended AS (
    SELECT id
    FROM appointment
    WHERE organization_id = $1 AND id = ANY($2) AND status = 'CONFIRMED' AND ends_at <= $3
    ORDER BY id
    FOR UPDATE
), completed AS (
    UPDATE appointment
    SET status = 'COMPLETED', version = appointment.version + 1, guest_origin = NULL
    FROM ended
    WHERE appointment.organization_id = $1 AND appointment.id = ended.id
    RETURNING appointment.id, appointment.provider_id, appointment.customer_id, appointment.version,
        appointment.starts_at
), recorded AS (
    INSERT INTO appointment_history (organization_id, appointment_id, version, kind, occurred_at, actor, from_status,
        to_status, from_starts_at, to_starts_at)
    SELECT $1, id, version, 'COMPLETED', $3, 'SYSTEM', 'CONFIRMED', 'COMPLETED', starts_at, starts_at
    FROM completed
)
SELECT id, provider_id, customer_id, version
FROM completed;

-- name: insert_history :exec
-- What became of an appointment in this version.
-- params: organization_id uuid, appointment_id uuid, version integer, kind text, occurred_at timestamptz, actor text, actor_subject text, from_status text, to_status text, from_starts_at timestamptz, to_starts_at timestamptz, reason text
INSERT INTO appointment_history (organization_id, appointment_id, version, kind, occurred_at, actor, actor_subject,
    from_status, to_status, from_starts_at, to_starts_at, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: history_of_appointments :many
-- All that became of these appointments, in order.
-- params: organization_id uuid, appointment_ids uuid[]
SELECT appointment_id, version, kind, occurred_at, actor, actor_subject, from_status, to_status, from_starts_at,
    to_starts_at, reason
FROM appointment_history
WHERE organization_id = $1 AND appointment_id = ANY($2)
ORDER BY appointment_id, version;

-- name: before_booking :one
-- What there is when somebody books, under the locks of their key, contact and network: what the key stands for; the
-- customer that they are, by subject, or as a guest by e-mail or, without one, by phone; and how many confirmed
-- appointments are not over, the customer's with the provider and those booked by guests from the network. One row,
-- whatever there is.
-- params: organization_id uuid, mutation text, caller text, key text, subject text, email text, phone text, provider_id uuid, guest_origin bytea, open_at timestamptz
SELECT known.request_hash, known.appointment_id, known.hold_id,
    customer.id, customer.subject, customer.name, customer.email, customer.phone, customer.time_zone, customer.locale,
    customer.channels, customer.erased_at,
    (
        SELECT count(*)
        FROM appointment
        WHERE appointment.organization_id = $1
            AND appointment.customer_id = customer.id
            AND appointment.provider_id = $8
            AND appointment.status = 'CONFIRMED'
            AND appointment.ends_at > $10
    ) AS open_of_customer, (
        SELECT count(*)
        FROM appointment
        WHERE organization_id = $1 AND status = 'CONFIRMED' AND guest_origin = $9 AND ends_at > $10
    ) AS open_of_network
FROM (VALUES (true)) AS always
LEFT JOIN idempotency_key AS known
    ON known.organization_id = $1 AND known.mutation = $2 AND known.caller = $3 AND known.key = $4
LEFT JOIN customer
    ON customer.organization_id = $1
    AND customer.id = coalesce((
        SELECT id FROM customer WHERE organization_id = $1 AND subject = $5
    ), (
        SELECT id
        FROM customer
        WHERE $5 IS NULL AND organization_id = $1 AND subject IS NULL AND lower(email) = lower($6)
    ), (
        SELECT id
        FROM customer
        WHERE $5 IS NULL AND $6 IS NULL AND organization_id = $1 AND subject IS NULL AND email IS NULL AND phone = $7
    ));

-- name: calendars :many
-- All that decides over the time of each wanted (provider, service or null) but the claims: rules, weekly hours,
-- breaks, and the exceptions on the dates from $4 to $5. One statement, however many are wanted. A service that the
-- provider does not offer comes back as nulls.
-- params: organization_id uuid, provider_ids uuid[], service_ids uuid[], from_date date, until_date date
SELECT wanted.provider_id AS wanted_provider_id, wanted.service_id AS wanted_service_id,
    provider.subject, provider.name, provider.email, provider.phone, provider.time_zone,
    provider.service_duration_minutes, provider.buffer_minutes, provider.slot_interval_minutes,
    provider.min_notice_minutes, provider.max_advance_booking_days, provider.policy_free_until_minutes_before,
    provider.policy_late_cancellation, provider.policy_late_fee_minor, provider.policy_late_fee_currency,
    provider.locale, provider.channels,
    service.id AS offered_id, service.name AS offered_name, service.duration_minutes AS offered_duration_minutes,
    service.buffer_before_minutes AS offered_buffer_before_minutes,
    service.buffer_after_minutes AS offered_buffer_after_minutes,
    service.slot_interval_minutes AS offered_slot_interval_minutes,
    service.min_notice_minutes AS offered_min_notice_minutes,
    service.max_advance_booking_days AS offered_max_advance_booking_days, service.price_minor AS offered_price_minor,
    service.price_currency AS offered_price_currency,
    service.policy_free_until_minutes_before AS offered_policy_free_until_minutes_before,
    service.policy_late_cancellation AS offered_policy_late_cancellation,
    service.policy_late_fee_minor AS offered_policy_late_fee_minor,
    service.policy_late_fee_currency AS offered_policy_late_fee_currency,
    service.policy_late_fee_percent AS offered_policy_late_fee_percent,
    ARRAY(
        SELECT ROW(weekday, start_minute, end_minute, effective_from, effective_until)
        FROM weekly_hours
        WHERE weekly_hours.organization_id = $1 AND weekly_hours.provider_id = provider.id
    ) AS weekly_hours,
    ARRAY(
        SELECT ROW(weekday, start_minute, end_minute, effective_from, effective_until)
        FROM weekly_break
        WHERE weekly_break.organization_id = $1 AND weekly_break.provider_id = provider.id
    ) AS weekly_breaks,
    ARRAY(
        SELECT ROW(date, is_blocked, custom_start_minute, custom_end_minute)
        FROM availability_exception
        WHERE availability_exception.organization_id = $1
            AND availability_exception.provider_id = provider.id
            AND availability_exception.date BETWEEN $4 AND $5
    ) AS exceptions
FROM unnest($2::uuid[], $3::uuid[]) AS wanted (provider_id, service_id)
JOIN provider ON provider.organization_id = $1 AND provider.id = wanted.provider_id
LEFT JOIN service_provider AS offered
    ON offered.organization_id = $1
    AND offered.provider_id = wanted.provider_id
    AND offered.service_id = wanted.service_id
LEFT JOIN service ON service.organization_id = $1 AND service.id = offered.service_id;

-- name: claims_of_providers :many
-- The active claims of these providers that overlap the minutes from $3 to $4. No claim lasts longer than three
-- days (claim_length), so the index on claimed_from is entered three days early and never reads further back.
-- params: organization_id uuid, provider_ids uuid[], from_minute integer, until_minute integer
SELECT provider_id, claimed_from, claimed_until, visit_from, visit_until, appointment_id, expires_at
FROM claim
WHERE organization_id = $1
    AND provider_id = ANY($2)
    AND active
    AND claimed_from > $3 - 4320
    AND claimed_from < $4
    AND claimed_until > $3;

-- name: insert_claim :exec
-- Take time for an appointment or a hold. Nothing means that the exclusion constraint objects: somebody else has some of it.
-- params: organization_id uuid, id uuid, provider_id uuid, appointment_id uuid, hold_id uuid, claimed_from timestamptz, claimed_until timestamptz, visit_from timestamptz, visit_until timestamptz, expires_at timestamptz
INSERT INTO claim (organization_id, id, provider_id, appointment_id, hold_id, during, visit, expires_at, active)
VALUES ($1, $2, $3, $4, $5, tstzrange($6, $7), tstzrange($8, $9), $10, true)
ON CONFLICT ON CONSTRAINT claim_no_overlap DO NOTHING;

-- name: free_appointment_time :one
-- The appointment gives its time back.
-- params: organization_id uuid, appointment_id uuid
UPDATE claim
SET active = false
WHERE organization_id = $1 AND appointment_id = $2 AND active
RETURNING claimed_from, claimed_until;

-- name: free_hold_time :maybe
-- The hold gives its time back; no row where it has already.
-- params: organization_id uuid, hold_id uuid
UPDATE claim
SET active = false
WHERE organization_id = $1 AND hold_id = $2 AND active
RETURNING claimed_from, claimed_until;

-- name: free_expired_time :exec
-- Holds that have expired by $5 give back what they have of the minutes from $3 to $4.
-- params: organization_id uuid, provider_id uuid, from_minute integer, until_minute integer, expired_by timestamptz
UPDATE claim
SET active = false
WHERE organization_id = $1
    AND provider_id = $2
    AND active
    AND expires_at <= $5
    AND claimed_from > $3 - 4320
    AND claimed_from < $4
    AND claimed_until > $3;

-- name: claim_of_appointment :one
-- The time that an appointment has, which is not cancelled.
-- params: organization_id uuid, appointment_id uuid
SELECT claimed_from, claimed_until, visit_from, visit_until
FROM claim
WHERE organization_id = $1 AND appointment_id = $2 AND active;

-- name: claim_of_hold :maybe
-- The time that a hold has.
-- params: organization_id uuid, hold_id uuid
SELECT claimed_from, claimed_until, visit_from, visit_until, expires_at
FROM claim
WHERE organization_id = $1 AND hold_id = $2 AND active;

-- name: provider_ids_offering :many
-- Every provider of the organization, or those that offer a service.
-- params: organization_id uuid, service_id uuid
SELECT provider.id
FROM provider
WHERE provider.organization_id = $1
    AND ($2::uuid IS NULL OR EXISTS (
        SELECT FROM service_provider AS offered
        WHERE offered.organization_id = $1 AND offered.service_id = $2 AND offered.provider_id = provider.id
    ))
ORDER BY provider.id;

-- name: lock_each :exec
-- Wait for these locks, one after the other in the order of the arrays, until the transaction ends: for those of the first
-- one alone, for those of the second one beside others who share them. A statement of its own: the statement after it sees
-- what the transactions that were waited for have written.
-- params: lock_keys bigint[], shared_keys bigint[]
-- scope: all organizations
SELECT CASE
        WHEN position <= cardinality($1) THEN pg_advisory_xact_lock(lock_key)::text
        ELSE pg_advisory_xact_lock_shared(lock_key)::text
    END AS waited
FROM unnest($1::bigint[] || $2::bigint[]) WITH ORDINALITY AS wanted (lock_key, position)
ORDER BY position;

-- name: commit_position :one
-- How many transactions have ended, as this snapshot sees it: whoever sees one more commit gets a greater number, on any
-- connection. It orders what different processes read, and costs no write: no counter that bookings would wait for.
-- params: none
-- scope: all organizations
SELECT pg_snapshot_xmax(snapshot)::text::bigint - (SELECT count(*) FROM pg_snapshot_xip(snapshot)) AS position
FROM pg_current_snapshot() AS snapshot;

-- name: appointment_changes_since :many
-- What became of the organization's appointments from $2 on, oldest first; after the row ($3, $4) of a page before.
-- params: organization_id uuid, since timestamptz, after_appointment_id uuid, after_version integer, page_size integer
SELECT appointment_history.occurred_at, appointment_history.appointment_id, appointment_history.version,
    appointment_history.kind, appointment.provider_id, appointment.customer_id
FROM appointment_history
JOIN appointment
    ON appointment.organization_id = $1 AND appointment.id = appointment_history.appointment_id
WHERE appointment_history.organization_id = $1
    AND (appointment_history.occurred_at, appointment_history.appointment_id, appointment_history.version)
        > ($2, $3, $4)
ORDER BY appointment_history.occurred_at, appointment_history.appointment_id, appointment_history.version
LIMIT $5::integer;

-- name: clock_ahead :maybe
-- How far the test clock is ahead of the real one.
-- params: none
-- scope: all organizations
SELECT ahead
FROM program_clock;

-- name: set_clock :exec
-- Set the test clock.
-- params: ahead interval
-- scope: all organizations
INSERT INTO program_clock (is_only, ahead)
VALUES (true, $1)
ON CONFLICT ON CONSTRAINT program_clock_pkey DO UPDATE SET ahead = excluded.ahead;

-- name: advance_clock :one
-- Move the test clock on.
-- params: by interval
-- scope: all organizations
INSERT INTO program_clock (is_only, ahead)
VALUES (true, $1)
ON CONFLICT ON CONSTRAINT program_clock_pkey DO UPDATE SET ahead = program_clock.ahead + excluded.ahead
RETURNING ahead;

-- name: customer_by_ids :many
-- The customers with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT id, subject, name, email, phone, time_zone, locale, channels, erased_at
FROM customer
WHERE organization_id = $1 AND id = ANY($2);

-- name: customer_by_subject :maybe
-- The account of a signed-in customer, once they have booked.
-- params: organization_id uuid, subject text
SELECT id, subject, name, email, phone, time_zone, locale, channels, erased_at
FROM customer
WHERE organization_id = $1 AND subject = $2;

-- name: insert_customer :exec
-- A new customer; nothing where one with this subject, or for guests with this e-mail or phone, is there already.
-- params: organization_id uuid, id uuid, subject text, name text, email text, phone text, time_zone text, locale text, channels text[], created_at timestamptz
INSERT INTO customer (organization_id, id, subject, name, email, phone, time_zone, locale, channels, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING;

-- name: customer_for_update :maybe
-- A customer as they are now, locked until the transaction ends.
-- params: organization_id uuid, id uuid
SELECT id, subject, name, email, phone, time_zone, locale, channels, erased_at
FROM customer
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: guest_is_known :one
-- Whether another record already stands for guests with this e-mail, or, without one, this phone number.
-- params: organization_id uuid, id uuid, email text, phone text
SELECT EXISTS (
    SELECT FROM customer
    WHERE organization_id = $1
        AND id <> $2
        AND subject IS NULL
        AND CASE WHEN $3::text IS NULL THEN email IS NULL AND phone = $4 ELSE lower(email) = lower($3) END
) AS known;

-- name: update_customer :one
-- All values of a customer, anew.
-- params: organization_id uuid, id uuid, name text, email text, phone text, time_zone text, locale text, channels text[]
UPDATE customer
SET name = $3, email = $4, phone = $5, time_zone = $6, locale = $7, channels = $8
WHERE organization_id = $1 AND id = $2
RETURNING id;

-- name: provider_serves_customer :one
-- Whether the customer has, or had, an appointment with the provider.
-- params: organization_id uuid, provider_id uuid, customer_id uuid
SELECT EXISTS (
    SELECT FROM appointment WHERE organization_id = $1 AND provider_id = $2 AND customer_id = $3
) AS serves;

-- name: lock_appointments_of_customer :exec
-- Changes of a customer's appointments that have begun are over, and none begins, until the transaction ends. One order
-- for all who lock several, so that no two wait for each other in a circle.
-- params: organization_id uuid, customer_id uuid
SELECT id
FROM appointment
WHERE organization_id = $1 AND customer_id = $2
ORDER BY id
FOR UPDATE;

-- name: erase_customer :one
-- Everything personal goes from a customer's record; the row stays, for the appointments that point to it.
-- params: organization_id uuid, id uuid, name text, erased_at timestamptz
UPDATE customer
SET subject = NULL, name = $3, email = NULL, phone = NULL, time_zone = 'UTC', locale = NULL, channels = NULL,
    erased_at = coalesce(erased_at, $4)
WHERE organization_id = $1 AND id = $2
RETURNING id, subject, name, email, phone, time_zone, locale, channels, erased_at;

-- name: erase_appointments_of_customer :exec
-- Everything personal goes from a customer's appointments; times, states and prices stay.
-- params: organization_id uuid, customer_id uuid, name text
UPDATE appointment
SET contact_name = $3, contact_email = NULL, contact_phone = NULL, contact_locale = NULL, contact_channels = NULL,
    notes = NULL, cancellation_reason = NULL, customer_time_zone = 'UTC', guest_origin = NULL
WHERE organization_id = $1 AND customer_id = $2;

-- name: erase_history_of_customer :exec
-- Everything personal goes from the history of a customer's appointments; what happened when stays. Staff stay named.
-- params: organization_id uuid, customer_id uuid
UPDATE appointment_history
SET reason = NULL, actor_subject = CASE WHEN actor = 'CUSTOMER' THEN NULL ELSE actor_subject END
WHERE organization_id = $1
    AND appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $2);

-- name: erase_keys_of_customer :exec
-- The keys of a customer's requests go, and with them the subject that they are kept under.
-- params: organization_id uuid, caller text, customer_id uuid
DELETE FROM idempotency_key
WHERE organization_id = $1
    AND (
        caller = $2
        OR appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $3)
    );

-- name: erase_holds_of_caller :exec
-- The holds of an erased customer are no longer theirs.
-- params: organization_id uuid, caller text
UPDATE hold
SET caller = 'erased'
WHERE organization_id = $1 AND caller = $2;

-- name: forget_channels_of_customer :exec
-- What was asked for at booking no longer counts: the customer's record says on which channels they want messages.
-- params: organization_id uuid, customer_id uuid
UPDATE appointment
SET contact_channels = NULL
WHERE organization_id = $1 AND customer_id = $2 AND contact_channels IS NOT NULL;

-- name: hold_by_id :maybe
-- A hold, whether it still stands or not.
-- params: organization_id uuid, id uuid
SELECT id, provider_id, service_id, starts_at, ends_at, expires_at, ended_at
FROM hold
WHERE organization_id = $1 AND id = $2;

-- name: hold_for_update :maybe
-- The same, locked until the transaction ends: it is used or released once.
-- params: organization_id uuid, id uuid
SELECT id, provider_id, service_id, starts_at, ends_at, expires_at, ended_at
FROM hold
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: count_open_holds :one
-- How many holds this caller has open at an instant; asked under the caller's lock.
-- params: organization_id uuid, caller text, open_at timestamptz
SELECT count(*) AS open
FROM hold
WHERE organization_id = $1 AND caller = $2 AND ended_at IS NULL AND expires_at > $3;

-- name: insert_hold :exec
-- A hold that stands until it expires.
-- params: organization_id uuid, id uuid, provider_id uuid, service_id uuid, caller text, starts_at timestamptz, ends_at timestamptz, created_at timestamptz, expires_at timestamptz
INSERT INTO hold (organization_id, id, provider_id, service_id, caller, starts_at, ends_at, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: end_hold :exec
-- The hold was released or used.
-- params: organization_id uuid, id uuid, ended_at timestamptz
UPDATE hold
SET ended_at = $3
WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL;

-- name: expired_holds :many
-- A batch of holds that expired unused and still have a claim, whoever's they are.
-- params: expired_by timestamptz, batch_size integer
-- scope: all organizations
SELECT claim.organization_id, claim.hold_id AS id, claim.provider_id, provider.time_zone
FROM claim
JOIN provider ON provider.organization_id = claim.organization_id AND provider.id = claim.provider_id
WHERE claim.active AND claim.hold_id IS NOT NULL AND claim.expires_at <= $1
ORDER BY claim.expires_at
LIMIT $2::integer;

-- name: weekly_hours_of_providers :many
-- The weekly hours of these providers, in the order of the week.
-- params: organization_id uuid, provider_ids uuid[]
SELECT id, provider_id, weekday, start_minute, end_minute, effective_from, effective_until
FROM weekly_hours
WHERE organization_id = $1 AND provider_id = ANY($2)
ORDER BY weekday, start_minute, effective_from NULLS FIRST, id;

-- name: weekly_breaks_of_providers :many
-- The weekly breaks of these providers, in the order of the week.
-- params: organization_id uuid, provider_ids uuid[]
SELECT id, provider_id, weekday, start_minute, end_minute, effective_from, effective_until
FROM weekly_break
WHERE organization_id = $1 AND provider_id = ANY($2)
ORDER BY weekday, start_minute, effective_from NULLS FIRST, id;

-- name: exceptions_of_providers :many
-- The exceptions of these providers on the dates from $3 to $4, inclusive.
-- params: organization_id uuid, provider_ids uuid[], from_date date, until_date date
SELECT id, provider_id, date, is_blocked, custom_start_minute, custom_end_minute, reason
FROM availability_exception
WHERE organization_id = $1 AND provider_id = ANY($2) AND date BETWEEN $3 AND $4
ORDER BY date, custom_start_minute, id;

-- name: delete_weekly_hours :exec
-- The provider keeps no weekly hours any more; what follows in the same transaction says what they are now.
-- params: organization_id uuid, provider_id uuid
DELETE FROM weekly_hours
WHERE organization_id = $1 AND provider_id = $2;

-- name: delete_weekly_breaks :exec
-- The provider keeps no weekly breaks any more; what follows in the same transaction says what they are now.
-- params: organization_id uuid, provider_id uuid
DELETE FROM weekly_break
WHERE organization_id = $1 AND provider_id = $2;

-- name: insert_weekly_hours :exec
-- Weekly hours, many at once; the arrays run in parallel.
-- params: organization_id uuid, provider_id uuid, ids uuid[], weekdays smallint[], start_minutes smallint[], end_minutes smallint[], effective_froms date[], effective_untils date[]
INSERT INTO weekly_hours (organization_id, provider_id, id, weekday, start_minute, end_minute, effective_from,
    effective_until)
SELECT $1, $2, id, weekday, start_minute, end_minute, effective_from, effective_until
FROM unnest($3::uuid[], $4::smallint[], $5::smallint[], $6::smallint[], $7::date[], $8::date[])
    AS given (id, weekday, start_minute, end_minute, effective_from, effective_until);

-- name: insert_weekly_breaks :exec
-- Weekly breaks, many at once; the arrays run in parallel.
-- params: organization_id uuid, provider_id uuid, ids uuid[], weekdays smallint[], start_minutes smallint[], end_minutes smallint[], effective_froms date[], effective_untils date[]
INSERT INTO weekly_break (organization_id, provider_id, id, weekday, start_minute, end_minute, effective_from,
    effective_until)
SELECT $1, $2, id, weekday, start_minute, end_minute, effective_from, effective_until
FROM unnest($3::uuid[], $4::smallint[], $5::smallint[], $6::smallint[], $7::date[], $8::date[])
    AS given (id, weekday, start_minute, end_minute, effective_from, effective_until);

-- name: delete_exception :exec
-- The date is an ordinary one again.
-- params: organization_id uuid, provider_id uuid, date date
DELETE FROM availability_exception
WHERE organization_id = $1 AND provider_id = $2 AND date = $3;

-- name: insert_exception :exec
-- An exception, all its ranges at once; a closed day is one range of two nulls.
-- params: organization_id uuid, provider_id uuid, date date, is_blocked boolean, reason text, ids uuid[], start_minutes smallint[], end_minutes smallint[]
INSERT INTO availability_exception (organization_id, provider_id, date, is_blocked, reason, id, custom_start_minute,
    custom_end_minute)
SELECT $1, $2, $3, $4, $5, id, start_minute, end_minute
FROM unnest($6::uuid[], $7::smallint[], $8::smallint[]) AS given (id, start_minute, end_minute);

-- name: idempotency_key :maybe
-- What this key stands for, if it was used.
-- params: organization_id uuid, mutation text, caller text, key text
SELECT request_hash, appointment_id, hold_id
FROM idempotency_key
WHERE organization_id = $1 AND mutation = $2 AND caller = $3 AND key = $4;

-- name: used_keys :many
-- Those of these keys that were used, by the place at which they stand in the arrays, from 1 on.
-- params: organization_id uuid, mutations text[], callers text[], keys text[]
SELECT wanted.place
FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS wanted (mutation, caller, key, place)
JOIN idempotency_key USING (mutation, caller, key)
WHERE organization_id = $1;

-- name: insert_idempotency_key :exec
-- Remember the key with what it made. Its lock is held, so it is not there yet.
-- params: organization_id uuid, mutation text, caller text, key text, request_hash bytea, appointment_id uuid, hold_id uuid, created_at timestamptz
INSERT INTO idempotency_key (organization_id, mutation, caller, key, request_hash, appointment_id, hold_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: purge_idempotency_keys :one
-- Forget a batch of the oldest keys made before $1, and say how many there were.
-- params: made_before timestamptz, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM idempotency_key
    WHERE (organization_id, mutation, caller, key) IN (
        SELECT organization_id, mutation, caller, key
        FROM idempotency_key
        WHERE created_at < $1
        ORDER BY created_at
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;

-- name: waiting_since :one
-- When the oldest due entry of the outbox was due, and since when the oldest message that may be sent waits; null where
-- nothing does.
-- params: due_by timestamptz, real_now timestamptz
-- scope: all organizations
SELECT
    (SELECT min(due_at) FROM message_outbox WHERE due_at <= $1) AS outbox_since,
    (SELECT min(lease_until) FROM reminder_log WHERE status = 'PENDING' AND lease_until <= $2) AS messages_since;

-- name: insert_outbox :exec
-- What is to be told about an appointment's current time, and when; nothing where it is planned already.
-- params: organization_id uuid, appointment_id uuid, time_version integer, kinds text[], due_at timestamptz[]
INSERT INTO message_outbox (organization_id, appointment_id, time_version, kind, due_at)
SELECT $1, $2, $3, planned.kind, planned.due_at
FROM unnest($4::text[], $5::timestamptz[]) AS planned (kind, due_at)
ON CONFLICT ON CONSTRAINT message_outbox_pkey DO NOTHING;

-- name: due_outbox :many
-- A batch of what is due, longest due first, whoever's it is. Nothing is locked.
-- params: due_by timestamptz, batch_size integer
-- scope: all organizations
SELECT organization_id, appointment_id, time_version, kind
FROM message_outbox
WHERE due_at <= $1
ORDER BY due_at
LIMIT $2::integer;

-- name: take_outbox :many
-- Take these entries out of the outbox; those that another worker is taking are left to it.
-- params: organization_id uuid, appointment_ids uuid[], time_versions integer[], kinds text[]
DELETE FROM message_outbox
USING (
    SELECT mine.appointment_id, mine.time_version, mine.kind
    FROM message_outbox AS mine
    WHERE mine.organization_id = $1
        AND (mine.appointment_id, mine.time_version, mine.kind) IN (
            SELECT * FROM unnest($2::uuid[], $3::integer[], $4::text[])
        )
    FOR UPDATE SKIP LOCKED
) AS taken
WHERE message_outbox.organization_id = $1
    AND message_outbox.appointment_id = taken.appointment_id
    AND message_outbox.time_version = taken.time_version
    AND message_outbox.kind = taken.kind
RETURNING message_outbox.appointment_id, message_outbox.time_version, message_outbox.kind, message_outbox.due_at;

-- name: outbox_of_appointments :many
-- What is still planned for these appointments, in the order in which it is due.
-- params: organization_id uuid, appointment_ids uuid[]
SELECT appointment_id, time_version, kind, due_at
FROM message_outbox
WHERE organization_id = $1 AND appointment_id = ANY($2)
ORDER BY due_at, kind;

-- name: insert_messages :exec
-- Rows of the log, each once: one that is there for the same time, kind, recipient and channel stays as it is.
-- params: organization_id uuid, ids uuid[], appointment_ids uuid[], time_versions integer[], kinds text[], recipients text[], channels text[], statuses text[], due_at timestamptz[], leases timestamptz[], details text[], created_at timestamptz, destinations bytea[]
INSERT INTO reminder_log (organization_id, id, appointment_id, time_version, kind, recipient, channel, status, due_at,
    lease_until, detail, created_at, destination)
SELECT $1, new.id, new.appointment_id, new.time_version, new.kind, new.recipient, new.channel, new.status, new.due_at,
    new.lease_until, new.detail, $12, new.destination
FROM unnest($2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
        $10::timestamptz[], $11::text[], $13::bytea[])
    AS new (id, appointment_id, time_version, kind, recipient, channel, status, due_at, lease_until, detail, destination)
ON CONFLICT (organization_id, appointment_id, time_version, kind, recipient, channel) WHERE (NOT is_resend) DO NOTHING;

-- name: insert_resend :maybe
-- A row of its own for a message that staff asked for again; none where such a one waits already.
-- params: organization_id uuid, id uuid, appointment_id uuid, time_version integer, kind text, recipient text, channel text, due_at timestamptz, lease_until timestamptz, destination bytea
INSERT INTO reminder_log (organization_id, id, appointment_id, time_version, kind, recipient, channel, status, due_at,
    lease_until, created_at, is_resend, destination)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'PENDING', $8, $9, $8, true, $10)
ON CONFLICT (organization_id, appointment_id, kind, recipient, channel) WHERE (is_resend AND status = 'PENDING')
    DO NOTHING
RETURNING id;

-- name: count_messages :many
-- How many messages each of these destinations was sent, or waits to be sent, since then. What failed counts: it was tried.
-- params: organization_id uuid, destinations bytea[], since timestamptz
SELECT destination, count(*) AS messages
FROM reminder_log
WHERE organization_id = $1 AND destination = ANY($2) AND created_at > $3 AND status <> 'SKIPPED'
GROUP BY destination;

-- name: told_times :many
-- The times of these appointments that their customer was told of, or waits to be told of, with the channel.
-- params: organization_id uuid, appointment_ids uuid[]
SELECT DISTINCT appointment_id, channel, time_version
FROM reminder_log
WHERE organization_id = $1 AND appointment_id = ANY($2) AND recipient = 'CUSTOMER' AND status IN ('PENDING', 'SENT');

-- name: messages_of_appointments :many
-- Every row of the log for these appointments, in the order in which they were due.
-- params: organization_id uuid, appointment_ids uuid[]
SELECT id, appointment_id, time_version, kind, recipient, channel, status, due_at, sent_at, detail, is_resend
FROM reminder_log
WHERE organization_id = $1 AND appointment_id = ANY($2)
ORDER BY due_at, id;

-- name: waiting_messages :many
-- A batch of messages that wait to be sent and that nobody has a lease on, longest waiting first, whoever's they are.
-- Nothing is locked.
-- params: real_now timestamptz, batch_size integer
-- scope: all organizations
SELECT organization_id, id
FROM reminder_log
WHERE status = 'PENDING' AND lease_until <= $1
ORDER BY lease_until
LIMIT $2::integer;

-- name: claim_messages :many
-- Claim these messages until the lease ends; those that another worker claimed, or is claiming, are left to it. The number
-- of attempts is the proof of the claim: whoever closes the row has to show it.
-- params: organization_id uuid, ids uuid[], real_now timestamptz, lease_until timestamptz
UPDATE reminder_log
SET lease_until = $4, attempts = reminder_log.attempts + 1
FROM (
    SELECT mine.id
    FROM reminder_log AS mine
    WHERE mine.organization_id = $1 AND mine.id = ANY($2) AND mine.status = 'PENDING' AND mine.lease_until <= $3
    FOR UPDATE SKIP LOCKED
) AS free
WHERE reminder_log.organization_id = $1 AND reminder_log.id = free.id
RETURNING reminder_log.id, reminder_log.appointment_id, reminder_log.time_version, reminder_log.kind,
    reminder_log.recipient, reminder_log.channel, reminder_log.is_resend, reminder_log.attempts, reminder_log.detail,
    reminder_log.wire_text, reminder_log.wire_since;

-- name: put_on_wire :exec
-- The text message is about to be handed to the gateway: from now on only its fate says whether it may be sent again.
-- params: organization_id uuid, id uuid, attempts integer, wire_text text, wire_since timestamptz
UPDATE reminder_log
SET wire_text = $4, wire_since = $5
WHERE organization_id = $1 AND id = $2 AND attempts = $3 AND status = 'PENDING';

-- name: close_message :exec
-- What became of a claimed message: an end. No row where the claim is no longer ours.
-- params: organization_id uuid, id uuid, attempts integer, status text, sent_at timestamptz, detail text, provider_message_id text
UPDATE reminder_log
SET status = $4, sent_at = $5, detail = $6, provider_message_id = $7, lease_until = NULL, wire_text = NULL,
    wire_since = NULL
WHERE organization_id = $1 AND id = $2 AND attempts = $3 AND status = 'PENDING';

-- name: postpone_message :exec
-- A claimed message is left alone until then, and tried again. Unless it keeps what is on the wire, it was not sent.
-- params: organization_id uuid, id uuid, attempts integer, lease_until timestamptz, detail text, keeps_wire boolean
UPDATE reminder_log
SET lease_until = $4, detail = $5, wire_text = CASE WHEN $6 THEN wire_text END,
    wire_since = CASE WHEN $6 THEN wire_since END
WHERE organization_id = $1 AND id = $2 AND attempts = $3 AND status = 'PENDING';

-- name: known_message_ids :many
-- The gateway's names of the text messages of an appointment that are accounted for.
-- params: organization_id uuid, appointment_id uuid
SELECT provider_message_id
FROM reminder_log
WHERE organization_id = $1 AND appointment_id = $2 AND channel = 'SMS' AND provider_message_id IS NOT NULL;

-- name: record_delivery :exec
-- What the gateway tells of a message afterwards. A message that it failed to deliver stays so: reports come in any order.
-- One that failed because its fate was unknown, or that waits because its answer was lost, is known now.
-- params: organization_id uuid, id uuid, status text, sent_at timestamptz, detail text, provider_message_id text
UPDATE reminder_log
SET status = $3, sent_at = CASE WHEN $3 = 'SENT' THEN coalesce(sent_at, $4) END, detail = $5, provider_message_id = $6,
    lease_until = NULL, wire_text = NULL, wire_since = NULL
WHERE organization_id = $1 AND id = $2 AND channel = 'SMS'
    AND (
        (status = 'PENDING' AND wire_text IS NOT NULL)
        OR (status = 'SENT' AND provider_message_id = $6)
        OR (status = 'FAILED' AND provider_message_id IS NULL AND $3 = 'SENT')
    );

-- name: message_by_id :maybe
-- One row of the log.
-- params: organization_id uuid, id uuid
SELECT id, appointment_id, time_version, kind, recipient, channel, status, due_at, sent_at, detail, is_resend
FROM reminder_log
WHERE organization_id = $1 AND id = $2;

-- name: forget_wire_of_customer :exec
-- The words of text messages on their way to an erased customer go.
-- params: organization_id uuid, customer_id uuid
UPDATE reminder_log
SET wire_text = NULL, wire_since = NULL, status = 'FAILED', lease_until = NULL,
    detail = 'the customer was erased while the message was on its way'
WHERE organization_id = $1
    AND wire_text IS NOT NULL
    AND appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $2);

-- name: forget_destinations_of_customer :exec
-- The hashes of the addresses that an erased customer's messages went to go.
-- params: organization_id uuid, customer_id uuid
UPDATE reminder_log
SET destination = NULL
WHERE organization_id = $1
    AND destination IS NOT NULL
    AND appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $2);

-- name: opted_out :many
-- Those of these addresses, each a channel and a digest, that opted out.
-- params: organization_id uuid, channels text[], address_digests bytea[]
SELECT address_digest
FROM message_opt_out
WHERE organization_id = $1 AND (channel, address_digest) IN (SELECT * FROM unnest($2::text[], $3::bytea[]));

-- name: insert_opt_out :exec
-- An address that wants nothing on a channel any more; nothing where it said so before.
-- params: organization_id uuid, channel text, address_digest bytea, opted_out_at timestamptz
INSERT INTO message_opt_out (organization_id, channel, address_digest, opted_out_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT message_opt_out_pkey DO NOTHING;

-- name: delete_opt_outs :exec
-- These addresses want messages again.
-- params: organization_id uuid, channels text[], address_digests bytea[]
DELETE FROM message_opt_out
WHERE organization_id = $1 AND (channel, address_digest) IN (SELECT * FROM unnest($2::text[], $3::bytea[]));

-- name: organization_by_slug :maybe
-- The organization with this public name; the name is how a caller without a token says whom they mean.
-- params: slug text
-- scope: all organizations
SELECT id, slug, name, sms_to_unverified_numbers
FROM organization
WHERE slug = $1;

-- name: organization_by_id :maybe
-- The organization a token names.
-- params: organization_id uuid
-- scope: all organizations
SELECT id, slug, name, sms_to_unverified_numbers
FROM organization
WHERE id = $1;

-- name: insert_organization :maybe
-- A new organization; no row where its slug is taken.
-- params: id uuid, slug text, name text, sms_to_unverified_numbers boolean, created_at timestamptz
-- scope: all organizations
INSERT INTO organization (id, slug, name, sms_to_unverified_numbers, created_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT ON CONSTRAINT organization_slug_key DO NOTHING
RETURNING id;

-- name: update_organization :one
-- The settings of an organization, anew; a null one stays as it is.
-- params: organization_id uuid, sms_to_unverified_numbers boolean
-- scope: all organizations
UPDATE organization
SET sms_to_unverified_numbers = coalesce($2, sms_to_unverified_numbers)
WHERE id = $1
RETURNING id, slug, name, sms_to_unverified_numbers;

-- name: provider_by_ids :many
-- The providers with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT id, subject, name, email, phone, time_zone, service_duration_minutes, buffer_minutes, slot_interval_minutes,
    min_notice_minutes, max_advance_booking_days, policy_free_until_minutes_before, policy_late_cancellation,
    policy_late_fee_minor, policy_late_fee_currency, locale, channels
FROM provider
WHERE organization_id = $1 AND id = ANY($2);

-- name: provider_id_by_subject :maybe
-- The provider that a token's subject acts for.
-- params: organization_id uuid, subject text
SELECT id
FROM provider
WHERE organization_id = $1 AND subject = $2;

-- name: provider_page_forward :many
-- A page of providers in the order of (name, id), strictly between two cursors; null ones bound nothing. $7 restricts
-- it to ids, $8 to names that contain a text, in any case.
-- params: organization_id uuid, after_name text, after_id uuid, before_name text, before_id uuid, page_size integer, ids uuid[], search text
SELECT id, subject, name, email, phone, time_zone, service_duration_minutes, buffer_minutes, slot_interval_minutes,
    min_notice_minutes, max_advance_booking_days, policy_free_until_minutes_before, policy_late_cancellation,
    policy_late_fee_minor, policy_late_fee_currency, locale, channels
FROM provider
WHERE organization_id = $1
    AND (name, id) > (coalesce($2::text, ''), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND ($4::text IS NULL OR (name, id) < ($4, $5::uuid))
    AND ($7::uuid[] IS NULL OR id = ANY($7))
    AND ($8::text IS NULL OR position(lower($8) IN lower(name)) > 0)
ORDER BY name, id
LIMIT $6::integer;

-- name: provider_page_backward :many
-- The same list from its other end: its last providers, in descending order.
-- params: organization_id uuid, after_name text, after_id uuid, before_name text, before_id uuid, page_size integer, ids uuid[], search text
SELECT id, subject, name, email, phone, time_zone, service_duration_minutes, buffer_minutes, slot_interval_minutes,
    min_notice_minutes, max_advance_booking_days, policy_free_until_minutes_before, policy_late_cancellation,
    policy_late_fee_minor, policy_late_fee_currency, locale, channels
FROM provider
WHERE organization_id = $1
    AND (name, id) > (coalesce($2::text, ''), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND ($4::text IS NULL OR (name, id) < ($4, $5::uuid))
    AND ($7::uuid[] IS NULL OR id = ANY($7))
    AND ($8::text IS NULL OR position(lower($8) IN lower(name)) > 0)
ORDER BY name DESC, id DESC
LIMIT $6::integer;

-- name: count_providers :one
-- How many providers the list holds in all.
-- params: organization_id uuid, ids uuid[], search text
SELECT count(*) AS total
FROM provider
WHERE organization_id = $1
    AND ($2::uuid[] IS NULL OR id = ANY($2))
    AND ($3::text IS NULL OR position(lower($3) IN lower(name)) > 0);

-- name: insert_provider :maybe
-- A new provider; no row where its subject is taken.
-- params: organization_id uuid, id uuid, subject text, name text, email text, phone text, time_zone text, service_duration_minutes integer, buffer_minutes integer, slot_interval_minutes integer, min_notice_minutes integer, max_advance_booking_days integer, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, locale text, channels text[], created_at timestamptz
INSERT INTO provider (organization_id, id, subject, name, email, phone, time_zone, service_duration_minutes,
    buffer_minutes, slot_interval_minutes, min_notice_minutes, max_advance_booking_days,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    locale, channels, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT ON CONSTRAINT provider_subject_key DO NOTHING
RETURNING id;

-- name: subject_is_taken :one
-- Whether another provider has this subject; asked under the organization's lock on subjects.
-- params: organization_id uuid, id uuid, subject text
SELECT EXISTS (
    SELECT FROM provider WHERE organization_id = $1 AND id <> $2 AND subject = $3
) AS taken;

-- name: update_provider :one
-- All values of a provider, anew.
-- params: organization_id uuid, id uuid, subject text, name text, email text, phone text, time_zone text, service_duration_minutes integer, buffer_minutes integer, slot_interval_minutes integer, min_notice_minutes integer, max_advance_booking_days integer, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, locale text, channels text[]
UPDATE provider
SET subject = $3, name = $4, email = $5, phone = $6, time_zone = $7, service_duration_minutes = $8,
    buffer_minutes = $9, slot_interval_minutes = $10, min_notice_minutes = $11, max_advance_booking_days = $12,
    policy_free_until_minutes_before = $13, policy_late_cancellation = $14, policy_late_fee_minor = $15,
    policy_late_fee_currency = $16, locale = $17, channels = $18
WHERE organization_id = $1 AND id = $2
RETURNING id;

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
-- Forget these holds, which are long over, with the claims and keys that name them.
-- params: organization_id uuid, ids uuid[]
WITH keys AS (
    DELETE FROM idempotency_key WHERE organization_id = $1 AND hold_id = ANY($2)
), claims AS (
    DELETE FROM claim WHERE organization_id = $1 AND hold_id = ANY($2)
)
DELETE FROM hold WHERE organization_id = $1 AND id = ANY($2);

-- name: purge_claims :one
-- Forget a batch of the times that were given back and would be over by now, and say how many there were. $1 is in
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

-- name: purge_messages :one
-- Forget a batch of the log of messages, oldest first, and say how many there were. What waits to be sent stays.
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
-- A batch of the customers who were erased long ago and whose appointments still have a history. Nothing is locked.
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
-- Forget who did what, and when, with the appointments of an erased customer. The appointments themselves stay.
-- params: organization_id uuid, customer_id uuid
DELETE FROM appointment_history
WHERE organization_id = $1
    AND appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $2);

-- name: purge_revoked_tokens :one
-- Forget a batch of revocations whose tokens have ended by themselves, and say how many there were.
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

-- name: token_is_revoked :one
-- Whether the token of this id was revoked.
-- params: organization_id uuid, token_id text
SELECT EXISTS (SELECT FROM revoked_token WHERE organization_id = $1 AND token_id = $2) AS revoked;

-- name: insert_revoked_token :exec
-- Revoke the token of this id; where it was revoked before, the longer memory counts.
-- params: organization_id uuid, token_id text, revoked_at timestamptz, expires_at timestamptz
INSERT INTO revoked_token (organization_id, token_id, revoked_at, expires_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT revoked_token_pkey DO UPDATE
SET expires_at = CASE
    WHEN revoked_token.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL
    ELSE greatest(revoked_token.expires_at, excluded.expires_at)
END;

-- name: service_by_ids :many
-- The services with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes, slot_interval_minutes,
    min_notice_minutes, max_advance_booking_days, price_minor, price_currency, policy_free_until_minutes_before,
    policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency, policy_late_fee_percent
FROM service
WHERE organization_id = $1 AND id = ANY($2);

-- name: services_of_providers :many
-- The services that each of these providers offers, by name.
-- params: organization_id uuid, provider_ids uuid[]
SELECT offered.provider_id, service.id, service.name, service.duration_minutes, service.buffer_before_minutes,
    service.buffer_after_minutes, service.slot_interval_minutes, service.min_notice_minutes,
    service.max_advance_booking_days, service.price_minor, service.price_currency,
    service.policy_free_until_minutes_before, service.policy_late_cancellation, service.policy_late_fee_minor,
    service.policy_late_fee_currency, service.policy_late_fee_percent
FROM service_provider AS offered
JOIN service ON service.organization_id = offered.organization_id AND service.id = offered.service_id
WHERE offered.organization_id = $1 AND offered.provider_id = ANY($2)
ORDER BY service.name, service.id;

-- name: provider_ids_of_services :many
-- The providers that offer each of these services, by name.
-- params: organization_id uuid, service_ids uuid[]
SELECT offered.service_id, offered.provider_id
FROM service_provider AS offered
JOIN provider ON provider.organization_id = offered.organization_id AND provider.id = offered.provider_id
WHERE offered.organization_id = $1 AND offered.service_id = ANY($2)
ORDER BY provider.name, provider.id;

-- name: insert_service :one
-- A new service.
-- params: organization_id uuid, id uuid, name text, duration_minutes integer, buffer_before_minutes integer, buffer_after_minutes integer, slot_interval_minutes integer, min_notice_minutes integer, max_advance_booking_days integer, price_minor bigint, price_currency text, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, policy_late_fee_percent integer, created_at timestamptz
INSERT INTO service (organization_id, id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes,
    slot_interval_minutes, min_notice_minutes, max_advance_booking_days, price_minor, price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
RETURNING id;

-- name: update_service :one
-- All values of a service, anew.
-- params: organization_id uuid, id uuid, name text, duration_minutes integer, buffer_before_minutes integer, buffer_after_minutes integer, slot_interval_minutes integer, min_notice_minutes integer, max_advance_booking_days integer, price_minor bigint, price_currency text, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, policy_late_fee_percent integer
UPDATE service
SET name = $3, duration_minutes = $4, buffer_before_minutes = $5, buffer_after_minutes = $6,
    slot_interval_minutes = $7, min_notice_minutes = $8, max_advance_booking_days = $9, price_minor = $10,
    price_currency = $11, policy_free_until_minutes_before = $12, policy_late_cancellation = $13,
    policy_late_fee_minor = $14, policy_late_fee_currency = $15, policy_late_fee_percent = $16
WHERE organization_id = $1 AND id = $2
RETURNING id;

-- name: delete_service_providers :exec
-- Nobody offers the service any more; what follows in the same transaction says who does.
-- params: organization_id uuid, service_id uuid
DELETE FROM service_provider
WHERE organization_id = $1 AND service_id = $2;

-- name: insert_service_providers :exec
-- These providers offer the service.
-- params: organization_id uuid, service_id uuid, provider_ids uuid[]
INSERT INTO service_provider (organization_id, service_id, provider_id)
SELECT $1, $2, provider_id
FROM unnest($3::uuid[]) AS named (provider_id);

-- name: templates_of_organization :many
-- All of the organization's own templates, in a fixed order.
-- params: organization_id uuid
SELECT kind, recipient, language, subject, body_text, body_html, sms, updated_at
FROM message_template
WHERE organization_id = $1
ORDER BY kind, recipient, language;

-- name: put_template :exec
-- An organization's own template, in place of an earlier one.
-- params: organization_id uuid, kind text, recipient text, language text, subject text, body_text text, body_html text, sms text, updated_at timestamptz
INSERT INTO message_template (organization_id, kind, recipient, language, subject, body_text, body_html, sms, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT ON CONSTRAINT message_template_pkey DO UPDATE
SET subject = excluded.subject, body_text = excluded.body_text, body_html = excluded.body_html, sms = excluded.sms,
    updated_at = excluded.updated_at;

-- name: delete_template :exec
-- The built-in words again.
-- params: organization_id uuid, kind text, recipient text, language text
DELETE FROM message_template
WHERE organization_id = $1 AND kind = $2 AND recipient = $3 AND language = $4;

-- name: verified_phones :many
-- Those of these numbers that are verified.
-- params: organization_id uuid, phones text[]
SELECT phone
FROM verified_phone
WHERE organization_id = $1 AND phone = ANY($2);

-- name: verify_phone :exec
-- A number counts as verified from now on; nothing where it does already.
-- params: organization_id uuid, phone text, verified_at timestamptz
INSERT INTO verified_phone (organization_id, phone, verified_at)
VALUES ($1, $2, $3)
ON CONFLICT ON CONSTRAINT verified_phone_pkey DO NOTHING;

-- name: distrust_phone :exec
-- A number no longer counts as verified.
-- params: organization_id uuid, phone text
DELETE FROM verified_phone
WHERE organization_id = $1 AND phone = $2;

-- name: forget_phones_of_customer :exec
-- The numbers of a customer, on their record and in their appointments, go.
-- params: organization_id uuid, customer_id uuid
DELETE FROM verified_phone
WHERE organization_id = $1
    AND phone IN (
        SELECT phone FROM customer WHERE organization_id = $1 AND id = $2
        UNION ALL
        SELECT contact_phone FROM appointment WHERE organization_id = $1 AND customer_id = $2
    );

