-- The order in which a service names its providers: by position, then by id. What is there already, and what earlier
-- programs write, is at position 0.
-- Blocks reading and changing of offers for an instant.

ALTER TABLE service_provider ADD COLUMN position integer NOT NULL DEFAULT 0;
