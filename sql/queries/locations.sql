-- fragment: location_columns
-- The columns of a location, as `location_from` reads them.
id, name, address, phone, email, url, directions, time_zone, is_archived, external_id;

-- name: location_by_ids :many
-- The locations with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{location_columns}}
FROM location
WHERE organization_id = $1 AND id = ANY($2);

-- name: locations_of_organization :many
-- The organization's locations, by name as people sort names; archived ones only where they are
-- wanted. An organization has few.
-- params: organization_id uuid, with_archived boolean
SELECT {{location_columns}}
FROM location
WHERE organization_id = $1 AND ($2 OR NOT is_archived)
ORDER BY name_sort, id;

-- name: count_locations :one
-- How many locations the organization has, archived ones included.
-- params: organization_id uuid
SELECT count(*) AS total
FROM location
WHERE organization_id = $1;

-- name: insert_location :maybe
-- A new location; no row where its external id is taken.
-- params: organization_id uuid, id uuid, name text, address text, phone text, email text, url text, directions text, time_zone text, is_archived boolean, external_id text, created_at timestamptz
INSERT INTO location (organization_id, {{location_columns}}, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT ON CONSTRAINT location_external_id_key DO NOTHING
RETURNING id;

-- name: location_for_update :maybe
-- A location as it is now, locked until the transaction ends: changes of one location are
-- serialized, and nobody is given one that is about to be archived.
-- params: organization_id uuid, id uuid
SELECT {{location_columns}}
FROM location
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: location_in_use :maybe
-- A location that may be given to a provider or a service, and is not archived before this
-- transaction ends.
-- params: organization_id uuid, id uuid
SELECT id
FROM location
WHERE organization_id = $1 AND id = $2 AND NOT is_archived
FOR SHARE;

-- name: update_location :one
-- Replaces all values of a location.
-- params: organization_id uuid, id uuid, name text, address text, phone text, email text, url text, directions text, time_zone text, is_archived boolean, external_id text
UPDATE location
SET name = $3, address = $4, phone = $5, email = $6, url = $7, directions = $8, time_zone = $9,
    is_archived = $10, external_id = $11
WHERE organization_id = $1 AND id = $2
RETURNING id;

-- name: phone_of_visit :maybe
-- The number to call about a visit: that of its location, the service's or else the lead's; else
-- the organization's.
-- params: organization_id uuid, provider_id uuid, service_id uuid
SELECT coalesce(location.phone, organization.phone) AS phone
FROM provider
JOIN organization ON organization.id = provider.organization_id
LEFT JOIN service
    -- A null would leave the join without the organization, for Citus.
    ON service.organization_id = $1 AND service.id = coalesce($3, '00000000-0000-0000-0000-000000000000'::uuid)
LEFT JOIN location
    ON location.organization_id = $1 AND location.id = coalesce(service.location_id, provider.location_id)
WHERE provider.organization_id = $1 AND provider.id = $2;
