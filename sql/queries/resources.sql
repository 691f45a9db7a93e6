-- fragment: resource_columns
-- The columns of a resource, as `resource_from` reads them.
id, name, kind, time_zone, units, is_always_open, is_archived, external_id;

-- name: resource_by_ids :many
-- The resources with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{resource_columns}}
FROM resource
WHERE organization_id = $1 AND id = ANY($2);

-- name: resource_calendars :many
-- These resources with everything but claims that decides about their time: weekly hours, breaks,
-- and the exceptions and time off on the dates from $3 to $4. One statement for any number.
-- params: organization_id uuid, ids uuid[], from_date date, until_date date
SELECT {{resource_columns}},
    -- As in `calendars`.
    ARRAY(
        SELECT ARRAY[weekday, start_minute, end_minute, effective_from - date '1970-01-01', effective_until - date '1970-01-01']
        FROM weekly_hours
        WHERE weekly_hours.organization_id = $1 AND weekly_hours.subject_id = resource.id
    ) AS weekly_hours,
    ARRAY(
        SELECT ARRAY[weekday, start_minute, end_minute, effective_from - date '1970-01-01', effective_until - date '1970-01-01']
        FROM weekly_break
        WHERE weekly_break.organization_id = $1 AND weekly_break.subject_id = resource.id
    ) AS weekly_breaks,
    ARRAY(
        SELECT ARRAY[date - date '1970-01-01', is_blocked::integer, custom_start_minute, custom_end_minute]
        FROM availability_exception
        WHERE availability_exception.organization_id = $1
            AND availability_exception.subject_id = resource.id
            AND availability_exception.date BETWEEN $3 AND $4
    ) AS exceptions,
    ARRAY(
        SELECT ARRAY[(extract(epoch FROM from_reading) / 60)::integer, (extract(epoch FROM until_reading) / 60)::integer]
        FROM time_off
        WHERE time_off.organization_id = $1
            AND time_off.subject_id = resource.id
            AND time_off.until_reading > $3::date
            AND time_off.from_reading < $4::date + 1
    ) AS time_off
FROM resource
WHERE organization_id = $1 AND id = ANY($2);

-- name: resource_page_forward :many
-- A page of resources in the order of (name_sort, id).
-- params: organization_id uuid, after_name text, after_id uuid, before_name text, before_id uuid, page_size integer, ids uuid[], search text, with_archived boolean
SELECT {{resource_columns}}
FROM resource
WHERE organization_id = $1
    AND {{on_page_by_name}}
ORDER BY name_sort, id
LIMIT $6::integer;

-- name: resource_page_backward :many
-- The same list from its other end: its last resources, in descending order.
-- params: organization_id uuid, after_name text, after_id uuid, before_name text, before_id uuid, page_size integer, ids uuid[], search text, with_archived boolean
SELECT {{resource_columns}}
FROM resource
WHERE organization_id = $1
    AND {{on_page_by_name}}
ORDER BY name_sort DESC, id DESC
LIMIT $6::integer;

-- name: count_resources :one
-- The total number of resources in the list.
-- params: organization_id uuid, ids uuid[], search text, with_archived boolean
SELECT count(*) AS total
FROM resource
WHERE organization_id = $1
    AND ($2::uuid[] IS NULL OR id = ANY($2))
    AND ($3::text IS NULL OR position(lower($3) IN lower(name)) > 0)
    AND ($4::boolean OR NOT is_archived);

-- name: insert_resource :maybe
-- A new resource; no row where its external id is taken.
-- params: organization_id uuid, id uuid, name text, kind text, time_zone text, units integer, is_always_open boolean, is_archived boolean, external_id text, created_at timestamptz
WITH known AS (
    -- Hours and claims refer to the subject.
    INSERT INTO subject (organization_id, id, kind) VALUES ($1, $2, 'RESOURCE')
)
INSERT INTO resource (organization_id, {{resource_columns}}, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT ON CONSTRAINT resource_external_id_key DO NOTHING
RETURNING id;

-- name: update_resource :one
-- Replaces all values of a resource.
-- params: organization_id uuid, id uuid, name text, kind text, time_zone text, units integer, is_always_open boolean, is_archived boolean, external_id text
UPDATE resource
SET name = $3, kind = $4, time_zone = $5, units = $6, is_always_open = $7, is_archived = $8,
    external_id = $9
WHERE organization_id = $1 AND id = $2
RETURNING id;
