-- fragment: session_columns
-- The columns of a session, as `_session` reads them, with the seats that are taken at $2.
session.id, session.service_id, session.provider_id, session.provider_ids, session.resource_ids,
session.starts_at, session.ends_at, session.ended_at, session.is_cancelled, session.version,
session.time_version,
(
    SELECT count(*)
    FROM seat
    WHERE seat.organization_id = $1 AND seat.session_id = session.id AND seat.active
        AND (seat.expires_at IS NULL OR seat.expires_at > $2)
) AS seats_taken;

-- fragment: session_is_listed
-- Whether a session is in the list: it starts in [$3, $4), is one of these services ($5) and has
-- one of these providers ($6), null ones bound nothing; the provider $7, if any, takes part; and a
-- seat is taken at $2, or staff cancelled all of it.
session.organization_id = $1
    AND session.starts_at >= $3 AND session.starts_at < $4
    AND ($5::uuid[] IS NULL OR session.service_id = ANY($5))
    AND ($6::uuid[] IS NULL OR session.provider_id = ANY($6) OR session.provider_ids && $6)
    AND ($7::uuid IS NULL OR session.provider_id = $7 OR session.provider_ids @> ARRAY[$7])
    AND (session.is_cancelled OR EXISTS (
        SELECT
        FROM seat
        WHERE seat.organization_id = $1 AND seat.session_id = session.id AND seat.active
            AND (seat.expires_at IS NULL OR seat.expires_at > $2)
    ));

-- name: session_by_ids :many
-- The sessions with these ids, in no particular order.
-- params: organization_id uuid, now timestamptz, ids uuid[]
SELECT {{session_columns}}
FROM session
WHERE session.organization_id = $1 AND session.id = ANY($3);

-- name: session_page_forward :many
-- A page of sessions in the order of (starts_at, id), strictly between two cursors; null ones bound
-- nothing.
-- params: organization_id uuid, now timestamptz, from_start timestamptz, until_start timestamptz, service_ids uuid[], provider_ids uuid[], taken_by uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer
SELECT {{session_columns}}
FROM session
WHERE {{session_is_listed}}
    AND (starts_at, id) > (coalesce($8::timestamptz, '-infinity'), coalesce($9::uuid, '00000000-0000-0000-0000-000000000000'))
    AND (starts_at, id) < (coalesce($10::timestamptz, 'infinity'), coalesce($11::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY starts_at, id
LIMIT $12::integer;

-- name: session_page_backward :many
-- The same list from its other end: its last sessions, in descending order.
-- params: organization_id uuid, now timestamptz, from_start timestamptz, until_start timestamptz, service_ids uuid[], provider_ids uuid[], taken_by uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer
SELECT {{session_columns}}
FROM session
WHERE {{session_is_listed}}
    AND (starts_at, id) > (coalesce($8::timestamptz, '-infinity'), coalesce($9::uuid, '00000000-0000-0000-0000-000000000000'))
    AND (starts_at, id) < (coalesce($10::timestamptz, 'infinity'), coalesce($11::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY starts_at DESC, id DESC
LIMIT $12::integer;

-- name: count_sessions :one
-- The total number of sessions in that list.
-- params: organization_id uuid, now timestamptz, from_start timestamptz, until_start timestamptz, service_ids uuid[], provider_ids uuid[], taken_by uuid
SELECT count(*) AS total
FROM session
WHERE {{session_is_listed}};

-- name: appointments_of_sessions_forward :many
-- The same page of each of these sessions' appointments in the order of (starts_at, id), strictly
-- between two cursors; null ones bound nothing.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, session_ids uuid[]
SELECT page.*
FROM unnest($7::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1 AND session_id = wanted.wanted_id
        AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
        AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY starts_at, id
    LIMIT $6::integer
) AS page
ORDER BY page.starts_at, page.id;

-- name: appointments_of_sessions_backward :many
-- The same lists from their other end: the last of each session's appointments, in descending
-- order.
-- params: organization_id uuid, after_start timestamptz, after_id uuid, before_start timestamptz, before_id uuid, page_size integer, session_ids uuid[]
SELECT page.*
FROM unnest($7::uuid[]) AS wanted (wanted_id)
CROSS JOIN LATERAL (
    SELECT {{appointment_columns}}
    FROM appointment
    WHERE organization_id = $1 AND session_id = wanted.wanted_id
        AND (starts_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
        AND (starts_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY starts_at DESC, id DESC
    LIMIT $6::integer
) AS page
ORDER BY page.starts_at DESC, page.id DESC;

-- name: count_appointments_of_sessions :many
-- How many appointments each of these sessions has; no row for one without any.
-- params: organization_id uuid, session_ids uuid[]
SELECT session_id, count(*) AS total
FROM appointment
WHERE organization_id = $1 AND session_id = ANY($2)
GROUP BY session_id;
