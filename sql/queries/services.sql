-- fragment: service_columns
-- The columns of a service, as `service_from` reads them.
id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes, slot_interval_minutes,
min_notice_minutes, max_advance_booking_days, price_minor, price_currency,
policy_free_until_minutes_before, policy_late_cancellation, policy_late_fee_minor,
policy_late_fee_currency, policy_late_fee_percent, limits, max_open_per_customer,
policy_grace_minutes, policy_charges_no_show, description, location_id, is_archived, external_id;

-- name: service_by_ids :many
-- The services with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{service_columns}}
FROM service
WHERE organization_id = $1 AND id = ANY($2);

-- name: services_of_providers :many
-- The services that each of these providers offers, by name.
-- params: organization_id uuid, provider_ids uuid[]
SELECT offered.provider_id, service.id, service.name, service.duration_minutes,
    service.buffer_before_minutes, service.buffer_after_minutes, service.slot_interval_minutes,
    service.min_notice_minutes, service.max_advance_booking_days, service.price_minor,
    service.price_currency, service.policy_free_until_minutes_before,
    service.policy_late_cancellation, service.policy_late_fee_minor,
    service.policy_late_fee_currency, service.policy_late_fee_percent, service.limits,
    service.max_open_per_customer, service.policy_grace_minutes, service.policy_charges_no_show,
    service.description, service.location_id, service.is_archived, service.external_id
FROM service_provider AS offered
JOIN service ON service.organization_id = offered.organization_id AND service.id = offered.service_id
WHERE offered.organization_id = $1 AND offered.provider_id = ANY($2)
ORDER BY service.name_sort, service.id;

-- name: service_page_forward :many
-- A page of services in the order of (name_sort, id).
-- params: organization_id uuid, after_name text, after_id uuid, before_name text, before_id uuid, page_size integer, ids uuid[], search text, with_archived boolean
SELECT {{service_columns}}
FROM service
WHERE organization_id = $1
    AND {{on_page_by_name}}
ORDER BY name_sort, id
LIMIT $6::integer;

-- name: service_page_backward :many
-- The same list from its other end: its last services, in descending order.
-- params: organization_id uuid, after_name text, after_id uuid, before_name text, before_id uuid, page_size integer, ids uuid[], search text, with_archived boolean
SELECT {{service_columns}}
FROM service
WHERE organization_id = $1
    AND {{on_page_by_name}}
ORDER BY name_sort DESC, id DESC
LIMIT $6::integer;

-- name: count_services :one
-- How many services the list holds in all.
-- params: organization_id uuid, ids uuid[], search text, with_archived boolean
SELECT count(*) AS total
FROM service
WHERE organization_id = $1
    AND ($2::uuid[] IS NULL OR id = ANY($2))
    AND ($3::text IS NULL OR position(lower($3) IN lower(name)) > 0)
    AND ($4::boolean OR NOT is_archived);

-- name: insert_service :one
-- A new service.
-- params: organization_id uuid, id uuid, name text, duration_minutes integer, buffer_before_minutes integer, buffer_after_minutes integer, slot_interval_minutes integer, min_notice_minutes integer, max_advance_booking_days integer, price_minor bigint, price_currency text, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, policy_late_fee_percent integer, limits integer[], max_open_per_customer integer, policy_grace_minutes integer, policy_charges_no_show boolean, description text, location_id uuid, is_archived boolean, external_id text, created_at timestamptz
INSERT INTO service (organization_id, id, name, duration_minutes, buffer_before_minutes, buffer_after_minutes,
    slot_interval_minutes, min_notice_minutes, max_advance_booking_days, price_minor,
    price_currency, policy_free_until_minutes_before, policy_late_cancellation,
    policy_late_fee_minor, policy_late_fee_currency, policy_late_fee_percent, limits,
    max_open_per_customer, policy_grace_minutes, policy_charges_no_show, description, location_id,
    is_archived, external_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
    $23, $24, $25)
RETURNING id;

-- name: update_service :one
-- Replaces all values of a service.
-- params: organization_id uuid, id uuid, name text, duration_minutes integer, buffer_before_minutes integer, buffer_after_minutes integer, slot_interval_minutes integer, min_notice_minutes integer, max_advance_booking_days integer, price_minor bigint, price_currency text, policy_free_until_minutes_before integer, policy_late_cancellation text, policy_late_fee_minor bigint, policy_late_fee_currency text, policy_late_fee_percent integer, limits integer[], max_open_per_customer integer, policy_grace_minutes integer, policy_charges_no_show boolean, description text, location_id uuid, is_archived boolean, external_id text
UPDATE service
SET name = $3, duration_minutes = $4, buffer_before_minutes = $5, buffer_after_minutes = $6,
    slot_interval_minutes = $7, min_notice_minutes = $8, max_advance_booking_days = $9,
    price_minor = $10, price_currency = $11, policy_free_until_minutes_before = $12,
    policy_late_cancellation = $13, policy_late_fee_minor = $14, policy_late_fee_currency = $15,
    policy_late_fee_percent = $16, limits = $17, max_open_per_customer = $18,
    policy_grace_minutes = $19, policy_charges_no_show = $20, description = $21, location_id = $22,
    is_archived = $23, external_id = $24
WHERE organization_id = $1 AND id = $2
RETURNING id;
