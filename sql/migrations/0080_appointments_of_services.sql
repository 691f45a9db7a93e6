-- transaction: each statement
-- The list of appointments for a service that few book, without reading all others. Blocks nobody.

-- An index whose building was interrupted is there, and invalid: it is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS appointment_by_service;

CREATE INDEX CONCURRENTLY appointment_by_service ON appointment (organization_id, service_id, starts_at, id)
    WHERE (service_id IS NOT NULL);
