-- fragment: time_off_columns
-- The columns of a time off, as `_time_off` reads them: readings are wall minutes, counted from
-- 1970-01-01T00:00 on the clock's face.
id, subject_id, (extract(epoch FROM from_reading) / 60)::integer AS from_wall,
(extract(epoch FROM until_reading) / 60)::integer AS until_wall, reason;

-- name: time_off_of_subjects :many
-- The time off of these subjects that has a reading on one of the dates from $3 to $4, in order.
-- params: organization_id uuid, subject_ids uuid[], from_date date, until_date date
SELECT {{time_off_columns}}
FROM time_off
WHERE organization_id = $1 AND subject_id = ANY($2) AND until_reading > $3::date AND from_reading < $4::date + 1
ORDER BY subject_id, from_reading, until_reading, id;

-- name: time_off_by_ids :many
-- The time off with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{time_off_columns}}
FROM time_off
WHERE organization_id = $1 AND id = ANY($2);

-- name: insert_time_off :exec
-- A new time off.
-- params: organization_id uuid, id uuid, subject_id uuid, from_wall integer, until_wall integer, reason text, created_at timestamptz
INSERT INTO time_off (organization_id, id, subject_id, from_reading, until_reading, reason, created_at)
VALUES (
    $1, $2, $3,
    timestamp '1970-01-01' + $4::integer * interval '1 minute',
    timestamp '1970-01-01' + $5::integer * interval '1 minute',
    $6, $7
);

-- name: update_time_off :exec
-- Replaces the values of a time off.
-- params: organization_id uuid, id uuid, from_wall integer, until_wall integer, reason text
UPDATE time_off
SET from_reading = timestamp '1970-01-01' + $3::integer * interval '1 minute',
    until_reading = timestamp '1970-01-01' + $4::integer * interval '1 minute',
    reason = $5
WHERE organization_id = $1 AND id = $2;

-- name: delete_time_off :exec
-- Delete a time off.
-- params: organization_id uuid, id uuid
DELETE FROM time_off
WHERE organization_id = $1 AND id = $2;
