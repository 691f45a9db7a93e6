-- transaction: each statement
-- Writes the words of the customers that were there before 0054, checks what it left to check, and replaces the keys of
-- guests by keys that leave out what staff made. Blocks nobody.

WITH batch AS (
    SELECT organization_id, id
    FROM customer
    WHERE (organization_id, id) > (coalesce($1::uuid, '00000000-0000-0000-0000-000000000000'),
        coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
    ORDER BY organization_id, id
    LIMIT 500
), remembered AS MATERIALIZED (
    SELECT count(*) FROM batch CROSS JOIN LATERAL remember_customer(batch.organization_id, batch.id)
)
SELECT batch.organization_id, batch.id
FROM batch CROSS JOIN remembered
ORDER BY batch.organization_id DESC, batch.id DESC
LIMIT 1;

ALTER TABLE customer VALIDATE CONSTRAINT customer_external_id_length;

ALTER TABLE customer VALIDATE CONSTRAINT customer_made_by_provider_fkey;

ALTER TABLE customer VALIDATE CONSTRAINT customer_provider_is_staff;

-- An index whose building was interrupted is there, and invalid: each is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS customer_external_id_key;

CREATE UNIQUE INDEX CONCURRENTLY customer_external_id_key ON customer (organization_id, external_id)
    WHERE (external_id IS NOT NULL);

DROP INDEX CONCURRENTLY IF EXISTS customer_by_guest_email;

CREATE UNIQUE INDEX CONCURRENTLY customer_by_guest_email ON customer (organization_id, lower(email))
    WHERE (subject IS NULL AND NOT made_by_staff);

DROP INDEX CONCURRENTLY IF EXISTS customer_by_guest_phone;

CREATE UNIQUE INDEX CONCURRENTLY customer_by_guest_phone ON customer (organization_id, phone)
    WHERE (subject IS NULL AND email IS NULL AND NOT made_by_staff);

DROP INDEX CONCURRENTLY IF EXISTS customer_guest_email_key;

DROP INDEX CONCURRENTLY IF EXISTS customer_guest_phone_key;
