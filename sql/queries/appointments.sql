-- name: appointment_by_ids :many
-- The appointments with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, notes, version, time_version, price_minor, price_currency,
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
    contact_email, contact_phone, contact_locale, notes, version, time_version, price_minor, price_currency,
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

-- name: appointments_of_provider_forward :many
-- A page of a provider's appointments in the order of (starts_at, id), strictly between two cursors; null ones
-- bound nothing. $7 and $8 bound the start, from inclusive to exclusive, $9 the status.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], provider_id uuid
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, notes, version, time_version, price_minor, price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency
FROM appointment
WHERE organization_id = $1 AND provider_id = $10
    AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    AND starts_at >= coalesce($7::timestamptz, '-infinity')
    AND starts_at < coalesce($8::timestamptz, 'infinity')
    AND ($9::text[] IS NULL OR status = ANY($9))
ORDER BY starts_at, id
LIMIT $6::integer;

-- name: appointments_of_customer_forward :many
-- A page of a customer's appointments in the order of (starts_at, id), strictly between two cursors; null ones
-- bound nothing. $7 and $8 bound the start, from inclusive to exclusive, $9 the status.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], customer_id uuid
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, notes, version, time_version, price_minor, price_currency,
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
    contact_email, contact_phone, contact_locale, notes, version, time_version, price_minor, price_currency,
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

-- name: appointments_of_provider_backward :many
-- The same list from its other end: the last of a provider's appointments, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], provider_id uuid
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, notes, version, time_version, price_minor, price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency
FROM appointment
WHERE organization_id = $1 AND provider_id = $10
    AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    AND starts_at >= coalesce($7::timestamptz, '-infinity')
    AND starts_at < coalesce($8::timestamptz, 'infinity')
    AND ($9::text[] IS NULL OR status = ANY($9))
ORDER BY starts_at DESC, id DESC
LIMIT $6::integer;

-- name: appointments_of_customer_backward :many
-- The same list from its other end: the last of a customer's appointments, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], customer_id uuid
SELECT id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, notes, version, time_version, price_minor, price_currency,
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

-- name: count_appointments_of_provider :one
-- How many appointments that list holds in all.
-- params: organization_id uuid, from_start timestamptz, until_start timestamptz, statuses text[], provider_id uuid
SELECT count(*) AS total
FROM appointment
WHERE organization_id = $1 AND provider_id = $5
    AND starts_at >= coalesce($2::timestamptz, '-infinity')
    AND starts_at < coalesce($3::timestamptz, 'infinity')
    AND ($4::text[] IS NULL OR status = ANY($4));

-- name: count_appointments_of_customer :one
-- How many appointments that list holds in all.
-- params: organization_id uuid, from_start timestamptz, until_start timestamptz, statuses text[], customer_id uuid
SELECT count(*) AS total
FROM appointment
WHERE organization_id = $1 AND customer_id = $5
    AND starts_at >= coalesce($2::timestamptz, '-infinity')
    AND starts_at < coalesce($3::timestamptz, 'infinity')
    AND ($4::text[] IS NULL OR status = ANY($4));

-- name: insert_appointment :one
-- A confirmed appointment, in its first version.
-- params: organization_id uuid, id uuid, provider_id uuid, service_id uuid, customer_id uuid, starts_at timestamptz, ends_at timestamptz, customer_time_zone text, contact_name text, contact_email text, contact_phone text, contact_locale text, notes text, price_minor bigint, price_currency text, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, policy_late_fee_percent integer, created_at timestamptz
INSERT INTO appointment (organization_id, id, provider_id, service_id, customer_id, status, starts_at, ends_at,
    customer_time_zone, contact_name, contact_email, contact_phone, contact_locale, notes, version, time_version,
    price_minor, price_currency, policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor,
    policy_late_fee_currency, policy_late_fee_percent, created_at)
VALUES ($1, $2, $3, $4, $5, 'CONFIRMED', $6, $7, $8, $9, $10, $11, $12, $13, 1, 1, $14, $15, $16, $17, $18, $19, $20,
    $21)
RETURNING id, provider_id, service_id, customer_id, status, starts_at, ends_at, customer_time_zone, contact_name,
    contact_email, contact_phone, contact_locale, notes, version, time_version, price_minor, price_currency,
    policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor, policy_late_fee_currency,
    policy_late_fee_percent, created_at, cancelled_at, cancellation_reason, cancellation_fee_minor,
    cancellation_fee_currency;

-- name: insert_claim :maybe
-- Take the time for an appointment. No row means that the exclusion constraint objects: somebody else has some of it.
-- params: organization_id uuid, id uuid, provider_id uuid, appointment_id uuid, claimed_from timestamptz, claimed_until timestamptz, visit_from timestamptz, visit_until timestamptz
INSERT INTO claim (organization_id, id, provider_id, appointment_id, during, visit, active)
VALUES ($1, $2, $3, $4, tstzrange($5, $6), tstzrange($7, $8), true)
ON CONFLICT ON CONSTRAINT claim_no_overlap DO NOTHING
RETURNING id;
