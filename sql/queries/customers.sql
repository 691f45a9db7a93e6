-- fragment: customer_columns
-- The columns of a customer, as `customer_from` reads them.
id, subject, name, email, phone, time_zone, locale, channels, erased_at;

-- name: customer_by_ids :many
-- The customers with these ids, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{customer_columns}}
FROM customer
WHERE organization_id = $1 AND id = ANY($2);

-- name: customer_by_subject :maybe
-- The account of a signed-in customer, once they have booked.
-- params: organization_id uuid, subject text
SELECT {{customer_columns}}
FROM customer
WHERE organization_id = $1 AND subject = $2;

-- name: customer_remains :maybe
-- A customer who is not erased, and can't be before this transaction ends; no row for an erased one.
-- params: organization_id uuid, id uuid
SELECT id
FROM customer
WHERE organization_id = $1 AND id = $2 AND erased_at IS NULL
FOR KEY SHARE;

-- name: customer_is_served :one
-- Whether any appointment of a customer takes a provider, alone or with others.
-- params: organization_id uuid, customer_id uuid, provider_id uuid
SELECT EXISTS (
    SELECT
    FROM appointment
    WHERE organization_id = $1 AND customer_id = $2 AND (provider_id = $3 OR $3 = ANY(provider_ids))
) AS is_served;

-- name: insert_customer :exec
-- A new customer; nothing where one with this subject, or for guests with this e-mail or phone, is there already.
-- params: organization_id uuid, id uuid, subject text, name text, email text, phone text, time_zone text, locale text, channels text[], created_at timestamptz
INSERT INTO customer (organization_id, id, subject, name, email, phone, time_zone, locale, channels, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING;

-- name: customer_for_update :maybe
-- A customer as they are now, locked until the transaction ends.
-- params: organization_id uuid, id uuid
SELECT {{customer_columns}}
FROM customer
WHERE organization_id = $1 AND id = $2
FOR UPDATE;

-- name: guest_is_known :one
-- Whether guests with this e-mail (or, without one, this phone number) already have another record.
-- params: organization_id uuid, id uuid, email text, phone text
SELECT EXISTS (
    SELECT FROM customer
    WHERE organization_id = $1
        AND id <> $2
        AND subject IS NULL
        AND CASE WHEN $3::text IS NULL THEN email IS NULL AND phone = $4 ELSE lower(email) = lower($3) END
) AS known;

-- name: update_customer :one
-- Replaces all values of a customer.
-- params: organization_id uuid, id uuid, name text, email text, phone text, time_zone text, locale text, channels text[]
UPDATE customer
SET name = $3, email = $4, phone = $5, time_zone = $6, locale = $7, channels = $8
WHERE organization_id = $1 AND id = $2
RETURNING id;

-- name: lock_appointments_of_customer :exec
-- Wait for running changes of a customer's appointments, and let none begin until the transaction ends. Everything that
-- locks several appointments does it in one order, so that there is no deadlock.
-- params: organization_id uuid, customer_id uuid
SELECT id
FROM appointment
WHERE organization_id = $1 AND customer_id = $2
ORDER BY id
FOR UPDATE;

-- name: erase_customer :one
-- Remove all personal data from a customer's record; the row stays, for the appointments that refer to it.
-- params: organization_id uuid, id uuid, name text, erased_at timestamptz
UPDATE customer
SET subject = NULL, name = $3, email = NULL, phone = NULL, time_zone = 'UTC', locale = NULL, channels = NULL,
    erased_at = coalesce(erased_at, $4)
WHERE organization_id = $1 AND id = $2
RETURNING {{customer_columns}};

-- name: erase_appointments_of_customer :exec
-- Remove all personal data from a customer's appointments; times, states and prices stay.
-- params: organization_id uuid, customer_id uuid, name text
UPDATE appointment
SET contact_name = $3, contact_email = NULL, contact_phone = NULL, contact_locale = NULL, contact_channels = NULL,
    notes = NULL, cancellation_reason = NULL, customer_time_zone = 'UTC', guest_origin = NULL
WHERE organization_id = $1 AND customer_id = $2;

-- name: erase_history_of_customer :exec
-- Remove all personal data of the customer from the history of their appointments; what happened when, and the names of
-- staff, stay.
-- params: organization_id uuid, customer_id uuid
UPDATE appointment_history
SET reason = NULL, actor_subject = CASE WHEN actor = 'CUSTOMER' THEN NULL ELSE actor_subject END
WHERE organization_id = $1
    AND appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $2);

-- name: erase_keys_of_customer :exec
-- Delete the keys of a customer's requests, and with them the subject that they are stored under.
-- params: organization_id uuid, caller text, customer_id uuid
DELETE FROM idempotency_key
WHERE organization_id = $1
    AND (
        caller = $2
        OR appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $3)
    );

-- name: erase_holds_of_caller :exec
-- The holds of an erased customer are no longer theirs.
-- params: organization_id uuid, caller text
UPDATE hold
SET caller = 'erased'
WHERE organization_id = $1 AND caller = $2;

-- name: forget_channels_of_customer :exec
-- What was asked for at booking no longer counts: the customer's record says on which channels they want messages.
-- params: organization_id uuid, customer_id uuid
UPDATE appointment
SET contact_channels = NULL
WHERE organization_id = $1 AND customer_id = $2 AND contact_channels IS NOT NULL;
