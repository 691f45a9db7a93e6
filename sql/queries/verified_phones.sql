-- name: verified_phones :many
-- Those of these numbers that are verified.
-- params: organization_id uuid, phones text[]
SELECT phone
FROM verified_phone
WHERE organization_id = $1 AND phone = ANY($2);

-- name: verify_phone :exec
-- A number counts as verified from now on; nothing where it does already.
-- params: organization_id uuid, phone text, verified_at timestamptz
INSERT INTO verified_phone (organization_id, phone, verified_at)
VALUES ($1, $2, $3)
ON CONFLICT ON CONSTRAINT verified_phone_pkey DO NOTHING;

-- name: distrust_phone :exec
-- A number no longer counts as verified.
-- params: organization_id uuid, phone text
DELETE FROM verified_phone
WHERE organization_id = $1 AND phone = $2;

-- name: forget_phones_of_customer :exec
-- Delete the numbers of a customer, on their record and in their appointments.
-- params: organization_id uuid, customer_id uuid
DELETE FROM verified_phone
WHERE organization_id = $1
    AND phone IN (
        SELECT phone FROM customer WHERE organization_id = $1 AND id = $2
        UNION ALL
        SELECT contact_phone FROM appointment WHERE organization_id = $1 AND customer_id = $2
    );
