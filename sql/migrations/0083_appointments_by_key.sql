-- transaction: each statement
-- Lists of appointments that read keys from an index before they read rows: the order by start says whose each appointment
-- is, and the lists of a provider and of a service when each was booked. Each index takes the place of another one. Blocks
-- nobody.

-- An index whose building was interrupted is there, and invalid: it is dropped before it is built.
DROP INDEX CONCURRENTLY IF EXISTS appointment_listed_by_start;

CREATE INDEX CONCURRENTLY appointment_listed_by_start ON appointment (organization_id, starts_at, id) INCLUDE (customer_id);

DROP INDEX CONCURRENTLY IF EXISTS appointment_by_start;

DROP INDEX CONCURRENTLY IF EXISTS appointment_listed_by_provider;

CREATE INDEX CONCURRENTLY appointment_listed_by_provider ON appointment (organization_id, provider_id, starts_at, id)
    INCLUDE (created_at);

DROP INDEX CONCURRENTLY IF EXISTS appointment_by_provider;

DROP INDEX CONCURRENTLY IF EXISTS appointment_listed_by_service;

CREATE INDEX CONCURRENTLY appointment_listed_by_service ON appointment (organization_id, service_id, starts_at, id)
    INCLUDE (created_at) WHERE (service_id IS NOT NULL);

DROP INDEX CONCURRENTLY IF EXISTS appointment_by_service;
