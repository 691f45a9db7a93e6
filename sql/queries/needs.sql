-- name: needs_of_services :many
-- What a visit of each of these services takes. The arrays of each kind run in parallel, in the
-- service's order. Archived services and providers are among them only if they are wanted.
-- params: organization_id uuid, ids uuid[], with_archived_services boolean, with_archived_providers boolean
SELECT service.id, service.providers_needed, service.assignment, service.seats,
    ARRAY(
        SELECT provider_id
        FROM service_provider AS offered
        JOIN provider ON provider.organization_id = $1 AND provider.id = offered.provider_id
        WHERE offered.organization_id = $1 AND offered.service_id = service.id AND ($4 OR NOT provider.is_archived)
        ORDER BY position, provider_id
    ) AS provider_ids,
    ARRAY(
        SELECT name
        FROM service_need AS need
        WHERE need.organization_id = $1 AND need.service_id = service.id
        ORDER BY position
    ) AS group_names,
    ARRAY(
        SELECT count
        FROM service_need AS need
        WHERE need.organization_id = $1 AND need.service_id = service.id
        ORDER BY position
    ) AS group_counts,
    -- Of which group, counted from 1, each resource is.
    ARRAY(
        SELECT need_position
        FROM service_need_resource AS member
        WHERE member.organization_id = $1 AND member.service_id = service.id
        ORDER BY need_position, position
    ) AS group_numbers,
    ARRAY(
        SELECT resource_id
        FROM service_need_resource AS member
        WHERE member.organization_id = $1 AND member.service_id = service.id
        ORDER BY need_position, position
    ) AS resource_ids
FROM service
WHERE service.organization_id = $1 AND service.id = ANY($2) AND ($3 OR NOT service.is_archived);

-- name: update_service_needs :exec
-- How many providers a visit of the service takes, who is tried first, and how many seats a start
-- has.
-- params: organization_id uuid, service_id uuid, providers_needed integer, assignment text, seats integer
UPDATE service
SET providers_needed = $3, assignment = $4, seats = $5
WHERE organization_id = $1 AND id = $2;

-- name: delete_service_providers :exec
-- Delete the service's providers; later statements of the transaction write the new ones.
-- params: organization_id uuid, service_id uuid
DELETE FROM service_provider
WHERE organization_id = $1 AND service_id = $2;

-- name: insert_service_providers :exec
-- These providers offer the service, in this order.
-- params: organization_id uuid, service_id uuid, provider_ids uuid[]
INSERT INTO service_provider (organization_id, service_id, provider_id, position)
SELECT service.organization_id, service.id, given.provider_id, given.position
FROM service
CROSS JOIN unnest($3::uuid[]) WITH ORDINALITY AS given (provider_id, position)
WHERE service.organization_id = $1 AND service.id = $2;

-- name: delete_service_needs :exec
-- Delete the service's needs of resources; later statements of the transaction write the new ones.
-- params: organization_id uuid, service_id uuid
WITH members AS (
    DELETE FROM service_need_resource
    WHERE organization_id = $1 AND service_id = $2
)
DELETE FROM service_need
WHERE organization_id = $1 AND service_id = $2;

-- name: insert_service_needs :exec
-- The groups of resources that the service needs, in this order.
-- params: organization_id uuid, service_id uuid, names text[], counts integer[]
INSERT INTO service_need (organization_id, service_id, position, name, count)
SELECT service.organization_id, service.id, given.position, given.name, given.count
FROM service
CROSS JOIN unnest($3::text[], $4::integer[]) WITH ORDINALITY AS given (name, count, position)
WHERE service.organization_id = $1 AND service.id = $2;

-- name: insert_service_need_resources :exec
-- The resources of these groups, in the groups' order: the first array says of which group, counted
-- from 1, each is.
-- params: organization_id uuid, service_id uuid, need_positions integer[], resource_ids uuid[]
INSERT INTO service_need_resource (organization_id, service_id, need_position, position, resource_id)
SELECT service.organization_id, service.id, given.need_position, given.position, given.resource_id
FROM service
CROSS JOIN unnest($3::integer[], $4::uuid[]) WITH ORDINALITY AS given (need_position, resource_id, position)
WHERE service.organization_id = $1 AND service.id = $2;
