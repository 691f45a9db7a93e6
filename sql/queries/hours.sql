-- fragment: weekly_columns
-- The columns of a weekly range, as hours.py reads them.
id, subject_id, weekday, start_minute, end_minute, effective_from, effective_until;

-- name: weekly_hours_of_subjects :many
-- The weekly hours of these subjects, in the order of the week.
-- params: organization_id uuid, subject_ids uuid[]
SELECT {{weekly_columns}}
FROM weekly_hours
WHERE organization_id = $1 AND subject_id = ANY($2)
ORDER BY weekday, start_minute, effective_from NULLS FIRST, id;

-- name: weekly_breaks_of_subjects :many
-- The weekly breaks of these subjects, in the order of the week.
-- params: organization_id uuid, subject_ids uuid[]
SELECT {{weekly_columns}}
FROM weekly_break
WHERE organization_id = $1 AND subject_id = ANY($2)
ORDER BY weekday, start_minute, effective_from NULLS FIRST, id;

-- name: exceptions_of_subjects :many
-- The exceptions of these subjects on the dates from $3 to $4, inclusive.
-- params: organization_id uuid, subject_ids uuid[], from_date date, until_date date
SELECT id, subject_id, date, is_blocked, custom_start_minute, custom_end_minute, reason
FROM availability_exception
WHERE organization_id = $1 AND subject_id = ANY($2) AND date BETWEEN $3 AND $4
ORDER BY date, custom_start_minute, id;

-- name: delete_weekly_hours :exec
-- Delete the subject's weekly hours; later statements of the transaction write the new ones.
-- params: organization_id uuid, subject_id uuid
DELETE FROM weekly_hours
WHERE organization_id = $1 AND subject_id = $2;

-- name: delete_weekly_breaks :exec
-- Delete the subject's weekly breaks; later statements of the transaction write the new ones.
-- params: organization_id uuid, subject_id uuid
DELETE FROM weekly_break
WHERE organization_id = $1 AND subject_id = $2;

-- name: insert_weekly_hours :exec
-- Weekly hours, many at once; the arrays run in parallel.
-- params: organization_id uuid, subject_id uuid, ids uuid[], weekdays smallint[], start_minutes smallint[], end_minutes smallint[], effective_froms date[], effective_untils date[]
INSERT INTO weekly_hours (organization_id, subject_id, provider_id, id, weekday, start_minute, end_minute, effective_from,
    effective_until)
SELECT subject.organization_id, subject.id,
    -- 0.1.0 reads and replaces hours by their provider.
    CASE WHEN subject.kind = 'PROVIDER' THEN subject.id END,
    given.id, weekday, start_minute, end_minute, effective_from, effective_until
FROM subject
CROSS JOIN unnest($3::uuid[], $4::smallint[], $5::smallint[], $6::smallint[], $7::date[], $8::date[])
    AS given (id, weekday, start_minute, end_minute, effective_from, effective_until)
WHERE subject.organization_id = $1 AND subject.id = $2;

-- name: insert_weekly_breaks :exec
-- Weekly breaks, many at once; the arrays run in parallel.
-- params: organization_id uuid, subject_id uuid, ids uuid[], weekdays smallint[], start_minutes smallint[], end_minutes smallint[], effective_froms date[], effective_untils date[]
INSERT INTO weekly_break (organization_id, subject_id, provider_id, id, weekday, start_minute, end_minute, effective_from,
    effective_until)
SELECT subject.organization_id, subject.id,
    -- 0.1.0 reads and replaces hours by their provider.
    CASE WHEN subject.kind = 'PROVIDER' THEN subject.id END,
    given.id, weekday, start_minute, end_minute, effective_from, effective_until
FROM subject
CROSS JOIN unnest($3::uuid[], $4::smallint[], $5::smallint[], $6::smallint[], $7::date[], $8::date[])
    AS given (id, weekday, start_minute, end_minute, effective_from, effective_until)
WHERE subject.organization_id = $1 AND subject.id = $2;

-- name: delete_exception :exec
-- Delete the date's exception.
-- params: organization_id uuid, subject_id uuid, date date
DELETE FROM availability_exception
WHERE organization_id = $1 AND subject_id = $2 AND date = $3;

-- name: insert_exception :exec
-- An exception, all its ranges at once; a closed day is one range of two nulls.
-- params: organization_id uuid, subject_id uuid, date date, is_blocked boolean, reason text, ids uuid[], start_minutes smallint[], end_minutes smallint[]
INSERT INTO availability_exception (organization_id, subject_id, provider_id, date, is_blocked, reason, id,
    custom_start_minute, custom_end_minute)
SELECT subject.organization_id, subject.id,
    -- 0.1.0 reads and replaces exceptions by their provider.
    CASE WHEN subject.kind = 'PROVIDER' THEN subject.id END,
    $3, $4, $5, given.id, start_minute, end_minute
FROM subject
CROSS JOIN unnest($6::uuid[], $7::smallint[], $8::smallint[]) AS given (id, start_minute, end_minute)
WHERE subject.organization_id = $1 AND subject.id = $2;
