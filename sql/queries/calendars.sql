-- fragment: claim_columns
-- The columns of a claim, as `_claim` reads them.
subject_id, claimed_from, claimed_until, visit_from, visit_until, appointment_id, expires_at, unit;

-- name: calendars :many
-- Everything but claims that decides about the time of each (provider, service or null) asked for:
-- rules, weekly hours, breaks, and the exceptions and time off on the dates from $4 to $5. One
-- statement for any number. A service that the provider does not offer, or that is archived, comes
-- back as nulls, and an archived provider not at all, unless withdrawn ones are wanted too.
-- params: organization_id uuid, provider_ids uuid[], service_ids uuid[], from_date date, until_date date, with_withdrawn boolean
SELECT wanted.provider_id AS wanted_provider_id, wanted.service_id AS wanted_service_id,
    provider.subject, provider.name, provider.email, provider.phone, provider.time_zone,
    provider.service_duration_minutes, provider.buffer_minutes, provider.slot_interval_minutes,
    provider.min_notice_minutes, provider.max_advance_booking_days,
    provider.policy_free_until_minutes_before, provider.policy_late_cancellation,
    provider.policy_late_fee_minor, provider.policy_late_fee_currency, provider.locale,
    provider.channels, provider.limits, provider.policy_grace_minutes,
    provider.policy_charges_no_show, provider.description, provider.location_id,
    provider.is_archived, provider.external_id, service.id AS offered_id,
    service.name AS offered_name, service.duration_minutes AS offered_duration_minutes,
    service.buffer_before_minutes AS offered_buffer_before_minutes,
    service.buffer_after_minutes AS offered_buffer_after_minutes,
    service.slot_interval_minutes AS offered_slot_interval_minutes,
    service.min_notice_minutes AS offered_min_notice_minutes,
    service.max_advance_booking_days AS offered_max_advance_booking_days,
    service.price_minor AS offered_price_minor, service.price_currency AS offered_price_currency,
    service.policy_free_until_minutes_before AS offered_policy_free_until_minutes_before,
    service.policy_late_cancellation AS offered_policy_late_cancellation,
    service.policy_late_fee_minor AS offered_policy_late_fee_minor,
    service.policy_late_fee_currency AS offered_policy_late_fee_currency,
    service.policy_late_fee_percent AS offered_policy_late_fee_percent,
    service.policy_grace_minutes AS offered_policy_grace_minutes,
    service.policy_charges_no_show AS offered_policy_charges_no_show,
    service.limits AS offered_limits,
    service.max_open_per_customer AS offered_max_open_per_customer,
    service.description AS offered_description, service.location_id AS offered_location_id,
    service.is_archived AS offered_is_archived, service.external_id AS offered_external_id,
    coalesce(service.seats, 1) AS offered_seats,
    -- Neither goes down, so their sum changes with each of them.
    subject.rules_version + coalesce(service.rules_version, 0) AS rules_version,
    -- Whether a visit takes the provider alone, as Needs.is_plain says it.
    service.id IS NULL OR (
        service.seats = 1
        AND coalesce(service.providers_needed, (
            SELECT count(*)
            FROM service_provider AS every
            JOIN provider AS member ON member.organization_id = $1 AND member.id = every.provider_id
            WHERE every.organization_id = $1 AND every.service_id = service.id AND NOT member.is_archived
        )) = 1
        AND NOT EXISTS (
            SELECT FROM service_need WHERE service_need.organization_id = $1 AND service_need.service_id = service.id
        )
    ) AS offered_is_plain,
    -- Arrays of numbers, each row alike: dates are days since 1970. Rows of a composite type would
    -- be described to each connection again.
    ARRAY(
        SELECT ARRAY[weekday, start_minute, end_minute, effective_from - date '1970-01-01', effective_until - date '1970-01-01']
        FROM weekly_hours
        WHERE weekly_hours.organization_id = $1 AND weekly_hours.subject_id = provider.id
    ) AS weekly_hours,
    ARRAY(
        SELECT ARRAY[weekday, start_minute, end_minute, effective_from - date '1970-01-01', effective_until - date '1970-01-01']
        FROM weekly_break
        WHERE weekly_break.organization_id = $1 AND weekly_break.subject_id = provider.id
    ) AS weekly_breaks,
    ARRAY(
        SELECT ARRAY[date - date '1970-01-01', is_blocked::integer, custom_start_minute, custom_end_minute]
        FROM availability_exception
        WHERE availability_exception.organization_id = $1
            AND availability_exception.subject_id = provider.id
            AND availability_exception.date BETWEEN $4 AND $5
    ) AS exceptions,
    ARRAY(
        SELECT ARRAY[(extract(epoch FROM from_reading) / 60)::integer, (extract(epoch FROM until_reading) / 60)::integer]
        FROM time_off
        WHERE time_off.organization_id = $1
            AND time_off.subject_id = provider.id
            AND time_off.until_reading > $4::date
            AND time_off.from_reading < $5::date + 1
    ) AS time_off
FROM (
    SELECT each.provider_id, each.service_id
    FROM unnest($2::uuid[], $3::uuid[]) AS each (provider_id, service_id)
    -- All of them. Without a limit a plan for any number of them is made for ten, and reads the
    -- whole of a small table.
    LIMIT cardinality($2::uuid[])
) AS wanted
JOIN provider
    ON provider.organization_id = $1
    AND provider.id = wanted.provider_id
    AND ($6 OR NOT provider.is_archived)
JOIN subject
    ON subject.organization_id = $1
    AND subject.id = wanted.provider_id
LEFT JOIN service_provider AS offered
    ON offered.organization_id = $1
    AND offered.provider_id = wanted.provider_id
    AND offered.service_id = wanted.service_id
LEFT JOIN service
    ON service.organization_id = $1
    AND service.id = wanted.service_id
    AND ($6 OR (offered.service_id IS NOT NULL AND NOT service.is_archived));

-- name: time_zones_of_subjects :many
-- The zones in which these subjects' dates are read.
-- params: organization_id uuid, subject_ids uuid[]
SELECT id AS subject_id, time_zone
FROM provider
WHERE organization_id = $1 AND id = ANY($2)
UNION ALL
SELECT id AS subject_id, time_zone
FROM resource
WHERE organization_id = $1 AND id = ANY($2);

-- name: claims_of_subjects :many
-- The active claims and the busy times of these subjects that overlap the minutes from $3 to $4, but
-- for those of appointment $6: a row for each subject that has any, with arrays in the same order. A
-- page of listings reads thousands of them, and a row each takes much longer. $5 is the length of
-- the longest of either. A busy time is on unit 0, for no appointment.
-- params: organization_id uuid, subject_ids uuid[], from_minute integer, until_minute integer, longest_minutes integer, without_appointment uuid
SELECT subject_id,
    array_agg(claimed_from) AS claimed_froms,
    array_agg(claimed_until) AS claimed_untils,
    array_agg(visit_from) AS visit_froms,
    array_agg(visit_until) AS visit_untils,
    array_agg(expires_at) AS expiries,
    array_agg(unit) AS units
FROM (
    SELECT subject_id, claimed_from, claimed_until, visit_from, visit_until, expires_at, unit
    FROM claim
    WHERE organization_id = $1
        AND subject_id = ANY($2)
        AND active
        -- What begins earlier is over by $3. Without this the index on claimed_from is read from its
        -- beginning.
        AND claimed_from > $3::integer - $5::integer
        AND claimed_from < $4
        AND claimed_until > $3
        AND ($6::uuid IS NULL OR appointment_id IS DISTINCT FROM $6)
    UNION ALL
    SELECT subject_id, busy_from, busy_until, busy_from, busy_until, NULL::timestamptz, 0
    FROM busy_time
    WHERE organization_id = $1
        AND subject_id = ANY($2)
        AND busy_from > $3::integer - $5::integer
        AND busy_from < $4
        AND busy_until > $3
) AS taken
GROUP BY subject_id;

-- name: claims_under_lock :many
-- Take these locks in the order of the array, until the transaction ends; then look at claims and
-- busy times, as claims_of_subjects does. The function takes them in a statement of its own: the
-- look sees what the transactions that held them have written.
-- params: organization_id uuid, lock_keys bigint[], subject_ids uuid[], from_minute integer, until_minute integer, longest_minutes integer
SELECT {{claim_columns}}
FROM claims_under_lock(organization_id => $1, lock_keys => $2, subject_ids => $3, from_minute => $4, until_minute => $5,
    longest_minutes => $6);

-- name: led_claims :many
-- The active claims that overlap the minutes from $4 to $5, of providers who lead a visit of one of
-- these services; $6 is the length of the longest claim. Who leads, and for which service, is
-- written with the appointment, the hold or the session.
-- params: organization_id uuid, provider_ids uuid[], service_ids uuid[], from_minute integer, until_minute integer, longest_minutes integer
SELECT claim.subject_id, claim.claimed_from, claim.claimed_until, claim.visit_from,
    claim.visit_until, claim.appointment_id, claim.expires_at, claim.unit,
    coalesce(appointment.service_id, hold.service_id, session.service_id) AS service_id
FROM claim
LEFT JOIN appointment ON appointment.organization_id = $1 AND appointment.id = claim.appointment_id
LEFT JOIN hold ON hold.organization_id = $1 AND hold.id = claim.hold_id
LEFT JOIN session ON session.organization_id = $1 AND session.id = claim.session_id
WHERE claim.organization_id = $1
    AND claim.subject_id = ANY($2)
    AND claim.active
    -- As in claims_of_subjects.
    AND claim.claimed_from > $4::integer - $6::integer
    AND claim.claimed_from < $5
    AND claim.claimed_until > $4
    AND coalesce(appointment.provider_id, hold.provider_id, session.provider_id) = claim.subject_id
    AND coalesce(appointment.service_id, hold.service_id, session.service_id) = ANY($3);

-- fragment: claims_inserted
-- The time of one visit, $1 to $12; fewer rows than given where some of it is taken.
INSERT INTO claim (organization_id, id, subject_id, provider_id, unit, appointment_id, hold_id, session_id, during, visit,
    expires_at, active)
SELECT subject.organization_id, given.id, subject.id,
    -- 0.1.0 reads claims by their provider.
    CASE WHEN subject.kind = 'PROVIDER' THEN subject.id END,
    given.unit, $2, $3, $4, tstzrange(given.claimed_from, given.claimed_until), tstzrange($6, $7), $5, true
FROM subject
CROSS JOIN (
    SELECT each.id, each.subject_id, each.unit, each.claimed_from, each.claimed_until
    FROM unnest($8::uuid[], $9::uuid[], $10::integer[], $11::timestamptz[], $12::timestamptz[])
        AS each (id, subject_id, unit, claimed_from, claimed_until)
    -- As in calendars.
    LIMIT cardinality($8::uuid[])
) AS given
WHERE subject.organization_id = $1 AND subject.id = given.subject_id
-- Even without the locks, two visits that want the same units wait for each other in this order,
-- without a deadlock.
ORDER BY given.subject_id, given.unit
ON CONFLICT ON CONSTRAINT claim_no_overlap DO NOTHING;

-- name: insert_claims :exec
-- Take time for one visit of an appointment, a hold or a session, on units of several subjects; the
-- arrays run in parallel. Fewer rows than given mean that the exclusion constraint refused one:
-- some of the time is taken.
-- params: organization_id uuid, appointment_id uuid, hold_id uuid, session_id uuid, expires_at timestamptz, visit_from timestamptz, visit_until timestamptz, ids uuid[], subject_ids uuid[], units integer[], claimed_froms timestamptz[], claimed_untils timestamptz[]
{{claims_inserted}};

-- name: change_as_seen :exec
-- Where an appointment is cancelled in one statement without a transaction around it: the locks are
-- taken without waiting, and what was seen before is looked at again. Where a lock is taken or
-- anything has changed, the statement fails with SW001, and nothing is written.
-- The function runs before anything is written: PostgreSQL runs the query below first, and what is
-- in WITH when it is needed or at the end.
-- params: organization_id uuid, appointment_id uuid, alone bigint[], shared bigint[], version integer, rules_version bigint, mutation text, caller text, key text, subject_ids uuid[], claimed_froms integer[], claimed_untils integer[], longest_minutes integer, seen_organization xid
SELECT was_seen
FROM lock_change_as_seen(
    organization_id => $1, changed_appointment => $2, alone => $3, shared => $4, seen_version => $5, seen_rules => $6,
    for_mutation => $7, of_caller => $8, given_key => $9, subject_ids => $10, claimed_froms => $11,
    claimed_untils => $12, longest_minutes => $13, seen_organization => $14
) AS was_seen;

-- name: move_as_seen :exec
-- The same where an appointment is moved: its time is freed, and then the new time is taken, which
-- may overlap it. The parameters up to $12 are those of insert_claims.
-- params: organization_id uuid, appointment_id uuid, hold_id uuid, session_id uuid, expires_at timestamptz, visit_from timestamptz, visit_until timestamptz, ids uuid[], subject_ids uuid[], units integer[], claimed_froms timestamptz[], claimed_untils timestamptz[], alone bigint[], shared bigint[], version integer, rules_version bigint, mutation text, caller text, key text, looked_at uuid[], looked_from integer[], looked_until integer[], longest_minutes integer, seen_organization xid
WITH freed AS (
    UPDATE claim
    SET active = false
    WHERE organization_id = $1 AND appointment_id = $2 AND active
    RETURNING 1
), taken AS (
    {{claims_inserted}}
    RETURNING 1
)
-- What is in WITH runs when it is first read: CASE reads them in this order.
SELECT CASE
    WHEN was_seen AND all_were_taken((SELECT count(*) FROM freed), 1)
        THEN all_were_taken((SELECT count(*) FROM taken), cardinality($8::uuid[]))
END AS is_written
FROM lock_change_as_seen(
    organization_id => $1, changed_appointment => $2, alone => $13, shared => $14, seen_version => $15, seen_rules => $16,
    for_mutation => $17, of_caller => $18, given_key => $19, subject_ids => $20, claimed_froms => $21,
    claimed_untils => $22, longest_minutes => $23, seen_organization => $24
) AS was_seen;

-- name: free_appointment_time :exec
-- Free all of an appointment's time. Its claims are changed only by the transaction that has locked
-- its row.
-- params: organization_id uuid, appointment_id uuid
UPDATE claim
SET active = false
WHERE organization_id = $1 AND appointment_id = $2 AND active;

-- name: free_hold_time :exec
-- Free all of a hold's time; no row if it was freed already.
-- params: organization_id uuid, hold_id uuid
WITH given_back AS (
    SELECT id
    FROM claim
    WHERE organization_id = $1 AND hold_id = $2 AND active
    -- The sweep and a booking of an expired hold's time lock its claims in the same order: no
    -- deadlock.
    ORDER BY subject_id, unit, claimed_from
    FOR UPDATE
)
UPDATE claim
SET active = false
FROM given_back
WHERE claim.organization_id = $1 AND claim.id = given_back.id;

-- name: free_expired_time :exec
-- Free the time of holds that have expired by $6, on these subjects and in the minutes from $3 to
-- $4; their time on other subjects is not locked here, and left to the sweep. $5 is the length of
-- the longest claim.
-- params: organization_id uuid, subject_ids uuid[], from_minute integer, until_minute integer, longest_minutes integer, expired_by timestamptz
WITH given_back AS (
    SELECT id
    FROM claim
    WHERE organization_id = $1
        AND subject_id = ANY($2)
        AND active
        AND expires_at <= $6
        -- What begins earlier is over by $3: it bounds the read of the index.
        AND claimed_from > $3::integer - $5::integer
        AND claimed_from < $4
        AND claimed_until > $3
    -- As in free_hold_time.
    ORDER BY subject_id, unit, claimed_from
    FOR UPDATE
)
UPDATE claim
SET active = false
FROM given_back
WHERE claim.organization_id = $1 AND claim.id = given_back.id;

-- name: claims_of_appointment :many
-- The time that an appointment has; none where it is cancelled.
-- params: organization_id uuid, appointment_id uuid
SELECT {{claim_columns}}
FROM claim
WHERE organization_id = $1 AND appointment_id = $2 AND active
ORDER BY subject_id, unit;

-- name: claims_of_appointments :many
-- The time that each of these appointments has; none where it is cancelled.
-- params: organization_id uuid, appointment_ids uuid[]
SELECT {{claim_columns}}
FROM claim
WHERE organization_id = $1 AND appointment_id = ANY($2) AND active
ORDER BY subject_id, unit;

-- name: claims_of_hold :many
-- The time that a hold has, expired or not; none if it was freed.
-- params: organization_id uuid, hold_id uuid
SELECT {{claim_columns}}
FROM claim
WHERE organization_id = $1 AND hold_id = $2 AND active
ORDER BY subject_id, unit;

-- name: claims_of_session :many
-- The time that a session has, expired or not; none where it has ended.
-- params: organization_id uuid, session_id uuid
SELECT {{claim_columns}}
FROM claim
WHERE organization_id = $1 AND session_id = $2 AND active
ORDER BY subject_id, unit;

-- name: provider_ids_offering :many
-- Every provider of the organization, or those that offer a service; nobody and nothing that is
-- archived.
-- params: organization_id uuid, service_id uuid
SELECT provider.id
FROM provider
WHERE provider.organization_id = $1
    AND NOT provider.is_archived
    AND ($2::uuid IS NULL OR EXISTS (
        SELECT FROM service_provider AS offered
        JOIN service ON service.organization_id = $1 AND service.id = offered.service_id
        WHERE offered.organization_id = $1 AND offered.service_id = $2 AND offered.provider_id = provider.id
            AND NOT service.is_archived
    ))
ORDER BY provider.id;

-- name: lock_each :exec
-- Take these locks, one after the other in the order of the arrays, until the transaction ends:
-- those of the first array exclusively, those of the second one shared. A separate statement: the
-- one after it sees what the transactions that held the locks before have written. Joined with what
-- the organization may have, so that the locks are taken where its rows are.
-- params: organization_id uuid, lock_keys bigint[], shared_keys bigint[]
SELECT CASE
        WHEN position <= cardinality($2) THEN pg_advisory_xact_lock(lock_key)::text
        ELSE pg_advisory_xact_lock_shared(lock_key)::text
    END AS waited
FROM unnest($2::bigint[] || $3::bigint[]) WITH ORDINALITY AS wanted (lock_key, position)
LEFT JOIN (SELECT organization_id FROM subject WHERE organization_id = $1 LIMIT 1) AS placed ON true
ORDER BY position;
