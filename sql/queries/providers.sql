-- fragment: provider_columns
-- The columns of a provider, as `provider_from` reads them.
id, subject, name, email, phone, time_zone, service_duration_minutes, buffer_minutes,
slot_interval_minutes, min_notice_minutes, max_advance_booking_days,
policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor,
policy_late_fee_currency, locale, channels, limits, policy_grace_minutes, policy_charges_no_show,
description, location_id, is_archived, external_id;

-- fragment: on_page_by_name
-- The rows of a page by name, in the order of (name_sort, id): strictly between two cursors, which
-- give the name; null ones bound nothing. $7 restricts it to ids, $8 to names that contain a text,
-- in any case. $9 includes what is archived.
(name_sort, id) > (coalesce(name_sort_key($2::text), ''), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND ($4::text IS NULL OR (name_sort, id) < (name_sort_key($4), $5::uuid))
    AND ($7::uuid[] IS NULL OR id = ANY($7))
    AND ($8::text IS NULL OR position(lower($8) IN lower(name)) > 0)
    AND ($9::boolean OR NOT is_archived);

-- name: provider_by_ids :many
-- The providers with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{provider_columns}}
FROM provider
WHERE organization_id = $1 AND id = ANY($2);

-- name: provider_id_by_subject :maybe
-- The provider that a token's subject acts for.
-- params: organization_id uuid, subject text
SELECT id
FROM provider
WHERE organization_id = $1 AND subject = $2;

-- name: provider_page_forward :many
-- A page of providers in the order of (name_sort, id). $10 restricts it to those who offer one of
-- these services.
-- params: organization_id uuid, after_name text, after_id uuid, before_name text, before_id uuid, page_size integer, ids uuid[], search text, with_archived boolean, service_ids uuid[]
SELECT {{provider_columns}}
FROM provider
WHERE organization_id = $1
    AND {{on_page_by_name}}
    AND ($10::uuid[] IS NULL OR EXISTS (
        SELECT FROM service_provider
        WHERE service_provider.organization_id = $1
            AND service_provider.provider_id = provider.id
            AND service_provider.service_id = ANY($10)
    ))
ORDER BY name_sort, id
LIMIT $6::integer;

-- name: provider_page_backward :many
-- The same list from its other end: its last providers, in descending order.
-- params: organization_id uuid, after_name text, after_id uuid, before_name text, before_id uuid, page_size integer, ids uuid[], search text, with_archived boolean, service_ids uuid[]
SELECT {{provider_columns}}
FROM provider
WHERE organization_id = $1
    AND {{on_page_by_name}}
    AND ($10::uuid[] IS NULL OR EXISTS (
        SELECT FROM service_provider
        WHERE service_provider.organization_id = $1
            AND service_provider.provider_id = provider.id
            AND service_provider.service_id = ANY($10)
    ))
ORDER BY name_sort DESC, id DESC
LIMIT $6::integer;

-- name: count_providers :one
-- The total number of providers in the list.
-- params: organization_id uuid, ids uuid[], search text, with_archived boolean, service_ids uuid[]
SELECT count(*) AS total
FROM provider
WHERE organization_id = $1
    AND ($2::uuid[] IS NULL OR id = ANY($2))
    AND ($3::text IS NULL OR position(lower($3) IN lower(name)) > 0)
    AND ($4::boolean OR NOT is_archived)
    AND ($5::uuid[] IS NULL OR EXISTS (
        SELECT FROM service_provider
        WHERE service_provider.organization_id = $1
            AND service_provider.provider_id = provider.id
            AND service_provider.service_id = ANY($5)
    ));

-- name: insert_provider :maybe
-- A new provider; no row where its subject is taken.
-- params: organization_id uuid, id uuid, subject text, name text, email text, phone text, time_zone text, service_duration_minutes integer, buffer_minutes integer, slot_interval_minutes integer, min_notice_minutes integer, max_advance_booking_days integer, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, locale text, channels text[], limits integer[], policy_grace_minutes integer, policy_charges_no_show boolean, description text, location_id uuid, is_archived boolean, external_id text, created_at timestamptz
WITH known AS (
    -- Hours and claims refer to the subject. The trigger for 0.1.0 has made it by now; when that is
    -- gone, this makes it.
    INSERT INTO subject (organization_id, id, kind) VALUES ($1, $2, 'PROVIDER')
    ON CONFLICT ON CONSTRAINT subject_pkey DO NOTHING
)
INSERT INTO provider (organization_id, {{provider_columns}}, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)
ON CONFLICT ON CONSTRAINT provider_subject_key DO NOTHING
RETURNING id;

-- name: subject_is_taken :one
-- Whether another provider has this subject; asked under the organization's lock on subjects.
-- params: organization_id uuid, id uuid, subject text
SELECT EXISTS (
    SELECT FROM provider WHERE organization_id = $1 AND id <> $2 AND subject = $3
) AS taken;

-- name: update_provider :one
-- Replaces all values of a provider.
-- params: organization_id uuid, id uuid, subject text, name text, email text, phone text, time_zone text, service_duration_minutes integer, buffer_minutes integer, slot_interval_minutes integer, min_notice_minutes integer, max_advance_booking_days integer, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, locale text, channels text[], limits integer[], policy_grace_minutes integer, policy_charges_no_show boolean, description text, location_id uuid, is_archived boolean, external_id text
UPDATE provider
SET subject = $3, name = $4, email = $5, phone = $6, time_zone = $7, service_duration_minutes = $8,
    buffer_minutes = $9, slot_interval_minutes = $10, min_notice_minutes = $11,
    max_advance_booking_days = $12, policy_free_until_minutes_before = $13,
    policy_late_cancellation = $14, policy_late_fee_minor = $15, policy_late_fee_currency = $16,
    locale = $17, channels = $18, limits = $19, policy_grace_minutes = $20,
    policy_charges_no_show = $21, description = $22, location_id = $23, is_archived = $24,
    external_id = $25
WHERE organization_id = $1 AND id = $2
RETURNING id;
