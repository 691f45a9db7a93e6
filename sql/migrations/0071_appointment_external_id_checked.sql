-- transaction: each statement
-- Checks what 0070 left to check, and builds the key. Blocks nobody.

ALTER TABLE appointment VALIDATE CONSTRAINT appointment_external_id_length;

-- An index whose building was interrupted is there, and invalid: it is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS appointment_external_id_key;

CREATE UNIQUE INDEX CONCURRENTLY appointment_external_id_key ON appointment (organization_id, external_id)
    WHERE (external_id IS NOT NULL);
