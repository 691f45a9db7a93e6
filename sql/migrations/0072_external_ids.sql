-- The organization's own ids of providers and services. Blocks reading and changing of both for an instant: the tables are
-- small.

ALTER TABLE provider ADD COLUMN external_id text;
ALTER TABLE provider
    ADD CONSTRAINT provider_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 255);
ALTER TABLE provider ADD CONSTRAINT provider_external_id_key UNIQUE (organization_id, external_id);

ALTER TABLE service ADD COLUMN external_id text;
ALTER TABLE service
    ADD CONSTRAINT service_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 255);
ALTER TABLE service ADD CONSTRAINT service_external_id_key UNIQUE (organization_id, external_id);
