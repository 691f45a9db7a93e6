-- fragment: organization_columns
-- The columns of an organization, as `organization_from` reads them.
id, slug, name, sms_to_unverified_numbers, allows_customer_overlap, phone, email, url,
reminder_minutes_before, locale;

-- name: organization_by_slug :maybe
-- The organization with this public name, which callers without a token send.
-- params: slug text
-- scope: all organizations
SELECT {{organization_columns}}
FROM organization
WHERE slug = $1;

-- name: organization_by_id :maybe
-- The organization a token names.
-- params: organization_id uuid
-- scope: all organizations
SELECT {{organization_columns}}
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

-- name: organization_for_update :one
-- The organization as it is now, locked until the transaction ends: changes of its settings are
-- serialized.
-- params: organization_id uuid
-- scope: all organizations
SELECT {{organization_columns}}
FROM organization
WHERE id = $1
FOR NO KEY UPDATE;

-- name: update_organization :one
-- Replaces the settings of an organization.
-- params: organization_id uuid, sms_to_unverified_numbers boolean, allows_customer_overlap boolean, phone text, email text, url text, reminder_minutes_before integer[], locale text
-- scope: all organizations
UPDATE organization
SET sms_to_unverified_numbers = $2, allows_customer_overlap = $3, phone = $4, email = $5, url = $6,
    reminder_minutes_before = $7, locale = $8
WHERE id = $1
RETURNING id;
