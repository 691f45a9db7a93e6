-- transaction: each statement
-- The list of appointments by when they were booked. Blocks nobody.

-- An index whose building was interrupted is there, and invalid: it is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS appointment_by_creation;

CREATE INDEX CONCURRENTLY appointment_by_creation ON appointment (organization_id, created_at, id);
