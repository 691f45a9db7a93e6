-- fragment: busy_source_columns
-- The columns of a busy source, as `_source` reads them.
id, subject_id, name, url, last_read_at, failing_since, problem;

-- name: busy_sources_of_subjects :many
-- The busy sources of these subjects, by name.
-- params: organization_id uuid, subject_ids uuid[]
SELECT {{busy_source_columns}}
FROM busy_source
WHERE organization_id = $1 AND subject_id = ANY($2)
ORDER BY subject_id, name;

-- name: busy_sources_by_ids :many
-- The busy sources with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{busy_source_columns}}
FROM busy_source
WHERE organization_id = $1 AND id = ANY($2);

-- name: busy_source_by_name :maybe
-- The subject's busy source of this name.
-- params: organization_id uuid, subject_id uuid, name text
SELECT {{busy_source_columns}}
FROM busy_source
WHERE organization_id = $1 AND subject_id = $2 AND name = $3;

-- name: busy_sources_at :many
-- Of each of these subjects the busy sources, by name, that keep it busy in its stretch of minutes;
-- the arrays run in parallel. $5 is the length of the longest piece.
-- params: organization_id uuid, subject_ids uuid[], from_minutes integer[], until_minutes integer[], longest_minutes integer
SELECT {{busy_source_columns}}
FROM busy_source
WHERE organization_id = $1
    AND EXISTS (
        SELECT
        FROM unnest($2::uuid[], $3::integer[], $4::integer[]) AS asked (asked_id, from_minute, until_minute)
        JOIN busy_time
            ON busy_time.organization_id = $1
            AND busy_time.subject_id = asked.asked_id
            AND busy_time.busy_from > asked.from_minute - $5::integer
            AND busy_time.busy_from < asked.until_minute
            AND busy_time.busy_until > asked.from_minute
        WHERE asked.asked_id = busy_source.subject_id AND busy_time.source_id = busy_source.id
    )
    AND subject_id = ANY($2)
ORDER BY subject_id, name;

-- name: insert_pushed_source :exec
-- A new source of times that are pushed.
-- params: organization_id uuid, id uuid, subject_id uuid, name text, created_at timestamptz
INSERT INTO busy_source (organization_id, id, subject_id, name, created_at)
VALUES ($1, $2, $3, $4, $5);

-- name: delete_busy_source :exec
-- Delete a source that has no times and no readings any more.
-- params: organization_id uuid, id uuid
DELETE FROM busy_source
WHERE organization_id = $1 AND id = $2;

-- name: busy_pieces_in_window :many
-- The pieces of a source that don't come of readings and overlap or touch the minutes from $4 to
-- $5. $6 is the length of the longest piece.
-- params: organization_id uuid, subject_id uuid, source_id uuid, from_minute integer, until_minute integer, longest_minutes integer
SELECT busy_from, busy_until, is_floating
FROM busy_time
WHERE organization_id = $1
    AND subject_id = $2
    AND source_id = $3
    AND NOT is_floating
    AND busy_from >= $4::integer - $6::integer
    AND busy_from <= $5
    AND busy_until >= $4;

-- name: floating_busy_pieces :many
-- The pieces of a source that come of readings.
-- params: organization_id uuid, subject_id uuid, source_id uuid
SELECT busy_from, busy_until, is_floating
FROM busy_time
WHERE organization_id = $1 AND subject_id = $2 AND source_id = $3 AND is_floating;

-- name: busy_times_of_sources :many
-- The pieces of these sources of these subjects that overlap the minutes from $4 to $5, in order.
-- $6 is the length of the longest piece.
-- params: organization_id uuid, subject_ids uuid[], source_ids uuid[], from_minute integer, until_minute integer, longest_minutes integer
SELECT source_id, busy_from, busy_until
FROM busy_time
WHERE organization_id = $1
    AND subject_id = ANY($2)
    AND source_id = ANY($3)
    AND busy_from > $4::integer - $6::integer
    AND busy_from < $5
    AND busy_until > $4
ORDER BY busy_from;

-- name: count_busy_times :one
-- How many pieces a source has.
-- params: organization_id uuid, subject_id uuid, source_id uuid
SELECT count(*) AS pieces
FROM busy_time
WHERE organization_id = $1 AND subject_id = $2 AND source_id = $3;

-- name: insert_busy_times :exec
-- New pieces of a source; the arrays run in parallel.
-- params: organization_id uuid, source_id uuid, busy_froms integer[], busy_untils integer[], are_floating boolean[]
INSERT INTO busy_time (organization_id, subject_id, source_id, busy_from, busy_until, is_floating)
SELECT busy_source.organization_id, busy_source.subject_id, busy_source.id, given.busy_from,
    given.busy_until, given.is_floating
FROM busy_source
CROSS JOIN unnest($3::integer[], $4::integer[], $5::boolean[]) AS given (busy_from, busy_until, is_floating)
WHERE busy_source.organization_id = $1 AND busy_source.id = $2;

-- name: delete_busy_times :exec
-- Delete these pieces of a source; the arrays run in parallel.
-- params: organization_id uuid, subject_id uuid, source_id uuid, busy_froms integer[], are_floating boolean[]
DELETE FROM busy_time
WHERE organization_id = $1
    AND subject_id = $2
    AND source_id = $3
    AND busy_from = ANY($4)
    AND (busy_from, is_floating) IN (SELECT * FROM unnest($4::integer[], $5::boolean[]));

-- name: delete_busy_times_of_source :many
-- Delete all pieces of a source, and return them.
-- params: organization_id uuid, subject_id uuid, source_id uuid
DELETE FROM busy_time
WHERE organization_id = $1 AND subject_id = $2 AND source_id = $3
RETURNING busy_from, busy_until, is_floating;

-- name: busy_readings_of_subject :many
-- The readings of all sources of a subject, in wall minutes.
-- params: organization_id uuid, subject_id uuid
SELECT source_id, (extract(epoch FROM from_reading) / 60)::integer AS from_wall,
    (extract(epoch FROM until_reading) / 60)::integer AS until_wall
FROM busy_reading
WHERE organization_id = $1 AND subject_id = $2;

-- name: busy_readings_of_source :many
-- The readings of a source, in wall minutes.
-- params: organization_id uuid, subject_id uuid, source_id uuid
SELECT (extract(epoch FROM from_reading) / 60)::integer AS from_wall,
    (extract(epoch FROM until_reading) / 60)::integer AS until_wall
FROM busy_reading
WHERE organization_id = $1 AND subject_id = $2 AND source_id = $3;

-- name: insert_busy_readings :exec
-- The readings of a source that has none; the arrays run in parallel.
-- params: organization_id uuid, source_id uuid, from_walls integer[], until_walls integer[]
INSERT INTO busy_reading (organization_id, subject_id, source_id, from_reading, until_reading)
SELECT busy_source.organization_id, busy_source.subject_id, busy_source.id,
    timestamp '1970-01-01' + given.from_wall * interval '1 minute',
    timestamp '1970-01-01' + given.until_wall * interval '1 minute'
FROM busy_source
CROSS JOIN unnest($3::integer[], $4::integer[]) AS given (from_wall, until_wall)
WHERE busy_source.organization_id = $1 AND busy_source.id = $2;

-- name: delete_busy_readings :exec
-- Delete all readings of a source.
-- params: organization_id uuid, subject_id uuid, source_id uuid
DELETE FROM busy_reading
WHERE organization_id = $1 AND subject_id = $2 AND source_id = $3;
