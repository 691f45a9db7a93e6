-- name: organization_by_slug :maybe
-- The organization with this public name; the name is how a caller without a token says whom they mean.
-- params: slug text
-- scope: all organizations
SELECT id, slug, name
FROM organization
WHERE slug = $1;

-- name: organization_by_id :maybe
-- The organization a token names.
-- params: organization_id uuid
-- scope: all organizations
SELECT id, slug, name
FROM organization
WHERE id = $1;

-- name: insert_organization :maybe
-- A new organization; no row where its slug is taken.
-- params: id uuid, slug text, name text, created_at timestamptz
-- scope: all organizations
INSERT INTO organization (id, slug, name, created_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT organization_slug_key DO NOTHING
RETURNING id;
