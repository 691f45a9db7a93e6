-- fragment: appointment_columns
-- The columns of an appointment, as `appointment_from` reads them.
id, provider_id, provider_ids, named, resource_ids, session_id, seats, ignored, service_id, customer_id, status, starts_at, ends_at,
customer_time_zone, contact_name,
contact_email, contact_phone, contact_locale, contact_channels, notes, version, time_version, price_minor,
price_currency, policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor,
policy_late_fee_currency, policy_late_fee_percent, created_at, cancelled_at, cancellation_reason,
cancellation_fee_minor, cancellation_fee_currency, policy_grace_minutes, policy_charges_no_show;

-- name: appointment_by_ids :many
-- The appointments with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1 AND id = ANY($2);

-- name: appointments_of_organization_forward :many
-- A page of all the organization's appointments in the order of (starts_at, id), strictly between two cursors; null ones
-- bound nothing. $7 and $8 bound the start, from inclusive to exclusive, $9 the status.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[]
SELECT {{appointment_columns}}
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
-- The same page of each of these providers' appointments, those that they lead and others, in the order of (starts_at, id),
-- strictly between two cursors; null ones bound nothing. $7 and $8 bound the start, from inclusive to exclusive, $9 the
-- status.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], provider_ids uuid[]
SELECT wanted.wanted_id, page.*
FROM unnest($10::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1 AND id IN (
        SELECT id
        FROM (
            (
                SELECT id, starts_at
                FROM appointment
                WHERE organization_id = $1 AND provider_id = wanted.wanted_id
                    AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
                    AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
                    AND starts_at >= coalesce($7::timestamptz, '-infinity')
                    AND starts_at < coalesce($8::timestamptz, 'infinity')
                    AND ($9::text[] IS NULL OR status = ANY($9))
                ORDER BY starts_at, id
                LIMIT $6::integer
            )
            UNION ALL
            (
                SELECT taken.appointment_id, taken.starts_at
                FROM appointment_subject AS taken
                WHERE taken.organization_id = $1 AND taken.subject_id = wanted.wanted_id AND taken.position > 1
                    AND (taken.starts_at, taken.appointment_id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
                    AND (taken.starts_at, taken.appointment_id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
                    AND taken.starts_at >= coalesce($7::timestamptz, '-infinity')
                    AND taken.starts_at < coalesce($8::timestamptz, 'infinity')
                    AND ($9::text[] IS NULL OR EXISTS (
                        SELECT
                        FROM appointment AS other
                        WHERE other.organization_id = $1 AND other.id = taken.appointment_id AND other.status = ANY($9)
                    ))
                ORDER BY taken.starts_at, taken.appointment_id
                LIMIT $6::integer
            )
        ) AS theirs (id, starts_at)
        ORDER BY starts_at, id
        LIMIT $6::integer
    )
) AS page
ORDER BY page.starts_at, page.id;

-- name: appointments_of_customer_forward :many
-- A page of a customer's appointments in the order of (starts_at, id), strictly between two cursors; null ones
-- bound nothing. $7 and $8 bound the start, from inclusive to exclusive, $9 the status.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], customer_id uuid
SELECT {{appointment_columns}}
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
SELECT {{appointment_columns}}
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
SELECT wanted.wanted_id, page.*
FROM unnest($10::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1 AND id IN (
        SELECT id
        FROM (
            (
                SELECT id, starts_at
                FROM appointment
                WHERE organization_id = $1 AND provider_id = wanted.wanted_id
                    AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
                    AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
                    AND starts_at >= coalesce($7::timestamptz, '-infinity')
                    AND starts_at < coalesce($8::timestamptz, 'infinity')
                    AND ($9::text[] IS NULL OR status = ANY($9))
                ORDER BY starts_at DESC, id DESC
                LIMIT $6::integer
            )
            UNION ALL
            (
                SELECT taken.appointment_id, taken.starts_at
                FROM appointment_subject AS taken
                WHERE taken.organization_id = $1 AND taken.subject_id = wanted.wanted_id AND taken.position > 1
                    AND (taken.starts_at, taken.appointment_id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
                    AND (taken.starts_at, taken.appointment_id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
                    AND taken.starts_at >= coalesce($7::timestamptz, '-infinity')
                    AND taken.starts_at < coalesce($8::timestamptz, 'infinity')
                    AND ($9::text[] IS NULL OR EXISTS (
                        SELECT
                        FROM appointment AS other
                        WHERE other.organization_id = $1 AND other.id = taken.appointment_id AND other.status = ANY($9)
                    ))
                ORDER BY taken.starts_at DESC, taken.appointment_id DESC
                LIMIT $6::integer
            )
        ) AS theirs (id, starts_at)
        ORDER BY starts_at DESC, id DESC
        LIMIT $6::integer
    )
) AS page
ORDER BY page.starts_at DESC, page.id DESC;

-- name: appointments_of_customer_backward :many
-- The same list from its other end: the last of a customer's appointments, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, from_start timestamptz, until_start timestamptz, statuses text[], customer_id uuid
SELECT {{appointment_columns}}
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
-- The total number of appointments in that list.
-- params: organization_id uuid, from_start timestamptz, until_start timestamptz, statuses text[]
SELECT count(*) AS total
FROM appointment
WHERE organization_id = $1
    AND starts_at >= coalesce($2::timestamptz, '-infinity')
    AND starts_at < coalesce($3::timestamptz, 'infinity')
    AND ($4::text[] IS NULL OR status = ANY($4));

-- name: count_appointments_of_providers :many
-- The total number of appointments in each of those lists; no row for an empty one.
-- params: organization_id uuid, from_start timestamptz, until_start timestamptz, statuses text[], provider_ids uuid[]
SELECT theirs.provider_id, count(*) AS total
FROM (
    SELECT provider_id
    FROM appointment
    WHERE organization_id = $1 AND provider_id = ANY($5)
        AND starts_at >= coalesce($2::timestamptz, '-infinity')
        AND starts_at < coalesce($3::timestamptz, 'infinity')
        AND ($4::text[] IS NULL OR status = ANY($4))
    UNION ALL
    SELECT taken.subject_id
    FROM appointment_subject AS taken
    JOIN appointment ON appointment.organization_id = $1 AND appointment.id = taken.appointment_id
    WHERE taken.organization_id = $1 AND taken.subject_id = ANY($5) AND taken.position > 1
        AND taken.starts_at >= coalesce($2::timestamptz, '-infinity')
        AND taken.starts_at < coalesce($3::timestamptz, 'infinity')
        AND ($4::text[] IS NULL OR appointment.status = ANY($4))
) AS theirs (provider_id)
GROUP BY theirs.provider_id;

-- name: count_appointments_of_customer :one
-- The total number of appointments in that list.
-- params: organization_id uuid, from_start timestamptz, until_start timestamptz, statuses text[], customer_id uuid
SELECT count(*) AS total
FROM appointment
WHERE organization_id = $1 AND customer_id = $5
    AND starts_at >= coalesce($2::timestamptz, '-infinity')
    AND starts_at < coalesce($3::timestamptz, 'infinity')
    AND ($4::text[] IS NULL OR status = ANY($4));

-- name: insert_appointment :exec
-- A confirmed appointment, in its first version.
-- params: organization_id uuid, id uuid, provider_id uuid, service_id uuid, customer_id uuid, starts_at timestamptz, ends_at timestamptz, customer_time_zone text, contact_name text, contact_email text, contact_phone text, contact_locale text, notes text, price_minor bigint, price_currency text, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, policy_late_fee_percent integer, contact_channels text[], created_at timestamptz, guest_origin bytea, provider_ids uuid[], named integer, resource_ids uuid[], session_id uuid, seats integer, ignored text[], policy_grace_minutes integer, policy_charges_no_show boolean
INSERT INTO appointment (organization_id, id, provider_id, service_id, customer_id, status, starts_at, ends_at,
    customer_time_zone, contact_name, contact_email, contact_phone, contact_locale, notes, version, time_version,
    price_minor, price_currency, policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor,
    policy_late_fee_currency, policy_late_fee_percent, contact_channels, created_at, guest_origin, provider_ids, named,
    resource_ids, session_id, seats, ignored, policy_grace_minutes, policy_charges_no_show)
VALUES ($1, $2, $3, $4, $5, 'CONFIRMED', $6, $7, $8, $9, $10, $11, $12, $13, 1, 1, $14, $15, $16, $17, $18, $19, $20,
    $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31);

-- name: appointment_for_update :maybe
-- An appointment as it is now, locked until the transaction ends: changes of one appointment are serialized.
-- params: organization_id uuid, id uuid
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: share_appointments :exec
-- No change of these appointments, and no erasure of their customers, commits until the transaction ends. Locked in one
-- order, so that there is no deadlock.
-- params: organization_id uuid, ids uuid[]
SELECT id
FROM appointment
WHERE organization_id = $1 AND id = ANY($2)
ORDER BY id
FOR KEY SHARE;

-- name: appointments_to_complete :many
-- A batch of appointments that have ended and are still confirmed, of all organizations.
-- params: ended_by timestamptz, batch_size integer
-- scope: all organizations
SELECT organization_id, id
FROM appointment
WHERE status = 'CONFIRMED' AND ends_at <= $1
ORDER BY ends_at
LIMIT $2::integer;

-- name: history_of_appointments :many
-- The history of these appointments, in order; with each entry the providers and the session that its appointment has now.
-- params: organization_id uuid, appointment_ids uuid[]
SELECT entry.appointment_id, entry.version, entry.kind, entry.occurred_at, entry.actor, entry.actor_subject,
    entry.from_status, entry.to_status, entry.from_starts_at, entry.to_starts_at, entry.reason, entry.from_provider_ids,
    entry.assignment, coalesce(appointment.provider_ids, ARRAY[appointment.provider_id]) AS provider_ids,
    entry.from_session_id, appointment.session_id, entry.from_seats, appointment.seats, entry.ignored
FROM appointment_history AS entry
JOIN appointment ON appointment.organization_id = $1 AND appointment.id = entry.appointment_id
WHERE entry.organization_id = $1 AND entry.appointment_id = ANY($2)
ORDER BY entry.appointment_id, entry.version;

-- name: update_appointment :exec
-- An appointment that is locked, in its next version. A guest's network is kept no longer than the appointment is open.
-- params: organization_id uuid, id uuid, status text, starts_at timestamptz, ends_at timestamptz, version integer, time_version integer, cancelled_at timestamptz, cancellation_reason text, cancellation_fee_minor bigint, cancellation_fee_currency text, provider_id uuid, provider_ids uuid[], named integer, resource_ids uuid[], session_id uuid, seats integer, ignored text[], price_minor bigint
UPDATE appointment
SET status = $3, starts_at = $4, ends_at = $5, version = $6, time_version = $7, cancelled_at = $8,
    cancellation_reason = $9, cancellation_fee_minor = $10, cancellation_fee_currency = $11,
    provider_id = $12, provider_ids = $13, named = $14, resource_ids = $15, session_id = $16, seats = $17, ignored = $18,
    price_minor = $19, guest_origin = CASE WHEN $3 = 'CONFIRMED' THEN guest_origin END
WHERE organization_id = $1 AND id = $2;

-- name: appointments_of_session_for_update :many
-- The confirmed appointments in a session, locked until the transaction ends. Locked in one order, as in ended_for_update.
-- params: organization_id uuid, session_id uuid
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1 AND session_id = $2 AND status = 'CONFIRMED'
ORDER BY id
FOR UPDATE;

-- name: ended_for_update :many
-- Those of these appointments that are still confirmed and have ended, locked until the transaction ends. Locked in one
-- order, so that two workers never deadlock.
-- params: organization_id uuid, ids uuid[], ended_by timestamptz
SELECT {{appointment_columns}}
FROM appointment
WHERE organization_id = $1 AND id = ANY($2) AND status = 'CONFIRMED' AND ends_at <= $3
ORDER BY id
FOR UPDATE;

-- name: complete_appointments :exec
-- These appointments, which are locked, took place: each in its next version.
-- params: organization_id uuid, ids uuid[]
UPDATE appointment
SET status = 'COMPLETED', version = version + 1, guest_origin = NULL
WHERE organization_id = $1 AND id = ANY($2);
