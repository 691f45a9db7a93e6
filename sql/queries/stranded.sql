-- fragment: booked_visit
-- A confirmed appointment of a page, as `_visit` reads it: with the units of subjects that it, or its session, has.
page.id, page.starts_at, page.service_id, taken.visit_from, taken.visit_until, taken.subject_ids, taken.units,
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

-- name: visits_of_organization_forward :many
-- A page of the organization's confirmed appointments, with any of these providers (null: of all), in the order of
-- (starts_at, id), strictly between two cursors; a null second one bounds nothing.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, provider_ids uuid[]
WITH page AS (
    SELECT id, starts_at, service_id, session_id, ignored
    FROM appointment
    WHERE organization_id = $1 AND status = 'CONFIRMED'
        AND (starts_at, id) > ($2, $3)
        AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        AND ($7::uuid[] IS NULL OR provider_id = ANY($7) OR provider_ids && $7)
    ORDER BY starts_at, id
    LIMIT $6::integer
)
SELECT {{booked_visit}}
ORDER BY page.starts_at, page.id;

-- name: visits_of_organization_backward :many
-- The same list from its other end, in descending order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, provider_ids uuid[]
WITH page AS (
    SELECT id, starts_at, service_id, session_id, ignored
    FROM appointment
    WHERE organization_id = $1 AND status = 'CONFIRMED'
        AND (starts_at, id) > ($2, $3)
        AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        AND ($7::uuid[] IS NULL OR provider_id = ANY($7) OR provider_ids && $7)
    ORDER BY starts_at DESC, id DESC
    LIMIT $6::integer
)
SELECT {{booked_visit}}
ORDER BY page.starts_at DESC, page.id DESC;

-- name: visits_of_subject_forward :many
-- As visits_of_organization_forward, of the appointments that take this subject.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, subject_id uuid
WITH page AS (
    SELECT appointment.id, appointment.starts_at, appointment.service_id, appointment.session_id, appointment.ignored
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
            -- Whoever and whatever an appointment takes besides its lead; each unit of a resource is a row.
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
    SELECT appointment.id, appointment.starts_at, appointment.service_id, appointment.session_id, appointment.ignored
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
            -- Whoever and whatever an appointment takes besides its lead; each unit of a resource is a row.
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
