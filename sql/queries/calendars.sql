-- name: calendars :many
-- All that decides over the time of each wanted (provider, service or null) but the claims: rules, weekly hours,
-- breaks, and the exceptions on the dates from $4 to $5. One statement, however many are wanted. A service that the
-- provider does not offer comes back as nulls, unless withdrawn ones are wanted too.
-- params: organization_id uuid, provider_ids uuid[], service_ids uuid[], from_date date, until_date date, with_withdrawn boolean
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
LEFT JOIN service
    ON service.organization_id = $1
    AND service.id = wanted.service_id
    AND ($6 OR offered.service_id IS NOT NULL);

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
