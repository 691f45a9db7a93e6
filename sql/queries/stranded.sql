-- fragment: booked_visit
-- A confirmed appointment of a page, as `_visit` reads it: with the units of subjects that it, or
-- its session, has.
page.id, page.starts_at, page.service_id, taken.visit_from, taken.visit_until, taken.subject_ids,
taken.units,
    coalesce('HOURS' = ANY(page.ignored), false) AS ignores_hours
FROM page
CROSS JOIN LATERAL (
    SELECT min(theirs.visit_from) AS visit_from, max(theirs.visit_until) AS visit_until,
        array_agg(theirs.subject_id) AS subject_ids, array_agg(theirs.unit) AS units
    FROM (
        SELECT subject_id, unit, visit_from, visit_until
        FROM claim
        WHERE organization_id = $1 AND appointment_id = page.id AND active
        UNION ALL
        SELECT subject_id, unit, visit_from, visit_until
        FROM claim
        WHERE organization_id = $1 AND session_id = page.session_id AND active
    ) AS theirs (subject_id, unit, visit_from, visit_until)
) AS taken;

-- name: start_of_later_appointment :maybe
-- The start of the appointment that so many others, of any state, precede from $2 on; no row where
-- there are fewer until $3.
-- params: organization_id uuid, after_start timestamptz, until_start timestamptz, others integer
SELECT starts_at
FROM appointment
WHERE organization_id = $1 AND starts_at > $2 AND starts_at <= $3
ORDER BY starts_at
OFFSET $4::integer
LIMIT 1;

-- name: start_of_earlier_appointment :maybe
-- The same from the other end.
-- params: organization_id uuid, after_start timestamptz, until_start timestamptz, others integer
SELECT starts_at
FROM appointment
WHERE organization_id = $1 AND starts_at > $2 AND starts_at <= $3
ORDER BY starts_at DESC
OFFSET $4::integer
LIMIT 1;

-- name: visits_by_subject :many
-- The visits of each subject that start from minute $2 to $3: when, and on which unit; the arrays
-- run in parallel. Holds are left out. $4 is the length of the longest buffer before a visit.
-- params: organization_id uuid, from_minute integer, until_minute integer, longest_buffer_minutes integer
SELECT subject.id AS subject_id, theirs.visits_from, theirs.visits_until, theirs.units
FROM subject
CROSS JOIN LATERAL (
    SELECT array_agg(visit_from), array_agg(visit_until), array_agg(unit)
    FROM claim
    WHERE organization_id = $1
        AND subject_id = subject.id
        AND active
        AND expires_at IS NULL
        -- The index is by the beginnings of claims.
        AND claimed_from BETWEEN $2::integer - $4::integer AND $3
        AND visit_from BETWEEN $2 AND $3
) AS theirs (visits_from, visits_until, units)
WHERE subject.organization_id = $1 AND theirs.units IS NOT NULL;

-- name: services_by_subject :many
-- For which services appointments take each subject, of those that start after $2 and until $3.
-- params: organization_id uuid, after_start timestamptz, until_start timestamptz
SELECT DISTINCT service_id, provider_id AS subject_id
FROM appointment
WHERE organization_id = $1
    AND starts_at > $2
    AND starts_at <= $3
    AND status = 'CONFIRMED'
    AND service_id IS NOT NULL
UNION
SELECT theirs.service_id, subject.id
FROM subject
CROSS JOIN LATERAL (
    SELECT DISTINCT service_id
    FROM appointment_subject
    WHERE organization_id = $1
        AND subject_id = subject.id
        AND position > 1
        AND starts_at > $2
        AND starts_at <= $3
) AS theirs
WHERE subject.organization_id = $1;

-- name: visits_of_subject_forward :many
-- A page of the confirmed appointments that take a subject, in the order of (starts_at, id),
-- strictly between two cursors; a null second one bounds nothing.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, subject_id uuid
WITH page AS (
    SELECT appointment.id, appointment.starts_at, appointment.service_id, appointment.session_id,
        appointment.ignored
    FROM (
        (
            SELECT id, starts_at
            FROM appointment
            WHERE organization_id = $1 AND provider_id = $7 AND status = 'CONFIRMED'
                AND (starts_at, id) > ($2, $3)
                AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
            ORDER BY starts_at, id
            LIMIT $6::integer
        )
        UNION ALL
        (
            -- The subjects that an appointment takes in addition to its lead; each unit of a
            -- resource is a row.
            SELECT appointment_id, starts_at
            FROM appointment_subject
            WHERE organization_id = $1 AND subject_id = $7 AND position > 1
                AND (starts_at, appointment_id) > ($2, $3)
                AND (starts_at, appointment_id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
                AND EXISTS (
                    SELECT
                    FROM appointment AS other
                    WHERE other.organization_id = $1 AND other.id = appointment_id AND other.status = 'CONFIRMED'
                )
            GROUP BY starts_at, appointment_id
            ORDER BY starts_at, appointment_id
            LIMIT $6::integer
        )
    ) AS theirs (id, starts_at)
    JOIN appointment ON appointment.organization_id = $1 AND appointment.id = theirs.id
    ORDER BY theirs.starts_at, theirs.id
    LIMIT $6::integer
)
SELECT {{booked_visit}}
ORDER BY page.starts_at, page.id;

-- name: visits_of_subject_backward :many
-- The same list from its other end, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, subject_id uuid
WITH page AS (
    SELECT appointment.id, appointment.starts_at, appointment.service_id, appointment.session_id,
        appointment.ignored
    FROM (
        (
            SELECT id, starts_at
            FROM appointment
            WHERE organization_id = $1 AND provider_id = $7 AND status = 'CONFIRMED'
                AND (starts_at, id) > ($2, $3)
                AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
            ORDER BY starts_at DESC, id DESC
            LIMIT $6::integer
        )
        UNION ALL
        (
            -- The subjects that an appointment takes in addition to its lead; each unit of a
            -- resource is a row.
            SELECT appointment_id, starts_at
            FROM appointment_subject
            WHERE organization_id = $1 AND subject_id = $7 AND position > 1
                AND (starts_at, appointment_id) > ($2, $3)
                AND (starts_at, appointment_id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
                AND EXISTS (
                    SELECT
                    FROM appointment AS other
                    WHERE other.organization_id = $1 AND other.id = appointment_id AND other.status = 'CONFIRMED'
                )
            GROUP BY starts_at, appointment_id
            ORDER BY starts_at DESC, appointment_id DESC
            LIMIT $6::integer
        )
    ) AS theirs (id, starts_at)
    JOIN appointment ON appointment.organization_id = $1 AND appointment.id = theirs.id
    ORDER BY theirs.starts_at DESC, theirs.id DESC
    LIMIT $6::integer
)
SELECT {{booked_visit}}
ORDER BY page.starts_at DESC, page.id DESC;
