-- name: organization_by_slug :maybe
-- The organization with this public name, which callers without a token send.
-- params: slug text
-- scope: all organizations
SELECT id, slug, name, sms_to_unverified_numbers, allows_customer_overlap
FROM organization
WHERE slug = $1;

-- name: organization_by_id :maybe
-- The organization a token names.
-- params: organization_id uuid
-- scope: all organizations
SELECT id, slug, name, sms_to_unverified_numbers, allows_customer_overlap
FROM organization
WHERE id = $1;

-- name: insert_organization :maybe
-- A new organization; no row where its slug is taken.
-- params: id uuid, slug text, name text, sms_to_unverified_numbers boolean, created_at timestamptz
-- scope: all organizations
INSERT INTO organization (id, slug, name, sms_to_unverified_numbers, created_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT ON CONSTRAINT organization_slug_key DO NOTHING
RETURNING id;

-- name: update_organization :one
-- Sets the settings of an organization; a null one stays unchanged.
-- params: organization_id uuid, sms_to_unverified_numbers boolean, allows_customer_overlap boolean
-- scope: all organizations
UPDATE organization
SET sms_to_unverified_numbers = coalesce($2, sms_to_unverified_numbers),
    allows_customer_overlap = coalesce($3, allows_customer_overlap)
WHERE id = $1
RETURNING id, slug, name, sms_to_unverified_numbers, allows_customer_overlap;
