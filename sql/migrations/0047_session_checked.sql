-- transaction: each statement
-- Checks what 0046 left to check, and builds the indexes by session. Blocks nobody.

ALTER TABLE appointment VALIDATE CONSTRAINT appointment_session_fkey;

ALTER TABLE appointment VALIDATE CONSTRAINT appointment_seats_range;

ALTER TABLE hold VALIDATE CONSTRAINT hold_session_fkey;

ALTER TABLE hold VALIDATE CONSTRAINT hold_seats_range;

ALTER TABLE claim VALIDATE CONSTRAINT claim_session_fkey;

ALTER TABLE claim VALIDATE CONSTRAINT claim_of_one;

ALTER TABLE claim VALIDATE CONSTRAINT claim_of_hold_expires;

-- An index whose building was interrupted is there, and invalid: each is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS appointment_by_session;

CREATE INDEX CONCURRENTLY appointment_by_session ON appointment (organization_id, session_id, starts_at, id)
    WHERE (session_id IS NOT NULL);

DROP INDEX CONCURRENTLY IF EXISTS claim_by_session;

CREATE INDEX CONCURRENTLY claim_by_session ON claim (organization_id, session_id) WHERE (session_id IS NOT NULL);
