-- name: customer_by_ids :many
-- The customers with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT id, subject, name, email, phone, time_zone, locale
FROM customer
WHERE organization_id = $1 AND id = ANY($2);

-- name: customer_by_subject :maybe
-- The account of a signed-in customer, once they have booked.
-- params: organization_id uuid, subject text
SELECT id, subject, name, email, phone, time_zone, locale
FROM customer
WHERE organization_id = $1 AND subject = $2;

-- name: guest_by_contact :maybe
-- The customer that guests with this e-mail are, or, where they gave none, with this phone number.
-- params: organization_id uuid, email text, phone text
SELECT id, subject, name, email, phone, time_zone, locale
FROM customer
WHERE organization_id = $1
    AND subject IS NULL
    AND CASE WHEN $2::text IS NULL THEN email IS NULL AND phone = $3 ELSE lower(email) = lower($2) END;

-- name: insert_customer :exec
-- A new customer; nothing where one with this subject, or for guests with this e-mail or phone, is there already.
-- params: organization_id uuid, id uuid, subject text, name text, email text, phone text, time_zone text, locale text, created_at timestamptz
INSERT INTO customer (organization_id, id, subject, name, email, phone, time_zone, locale, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING;
