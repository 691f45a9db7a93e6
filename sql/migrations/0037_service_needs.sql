-- What a visit of a service takes: how many of its providers, and how many units of which resources. What is there already
-- takes one provider, and so does what earlier programs write.
-- Blocks reading and changing of services for an instant: no table is read but service, which is small.

-- Null: all who offer it.
ALTER TABLE service ADD COLUMN providers_needed integer DEFAULT 1;
-- In which order providers are tried for a visit that names none of them.
ALTER TABLE service ADD COLUMN assignment text NOT NULL DEFAULT 'PRIORITY';
ALTER TABLE service ADD COLUMN seats integer NOT NULL DEFAULT 1;
ALTER TABLE service ADD CONSTRAINT service_providers_needed_range CHECK (providers_needed BETWEEN 1 AND 1000);
ALTER TABLE service
    ADD CONSTRAINT service_assignment_known CHECK (assignment IN ('PRIORITY', 'LEAST_BUSY', 'LONGEST_IDLE'));
ALTER TABLE service ADD CONSTRAINT service_seats_range CHECK (seats BETWEEN 1 AND 1000);

-- The service list, paged by keyset.
CREATE INDEX service_by_name ON service (organization_id, name_sort, id);

-- The groups of resources that a visit takes units of, besides its providers.
CREATE TABLE service_need (
    organization_id uuid NOT NULL,
    service_id uuid NOT NULL,
    position integer NOT NULL,
    name text NOT NULL,
    count integer NOT NULL,
    CONSTRAINT service_need_pkey PRIMARY KEY (organization_id, service_id, position),
    CONSTRAINT service_need_service_fkey FOREIGN KEY (organization_id, service_id)
        REFERENCES service (organization_id, id),
    CONSTRAINT service_need_position_range CHECK (position >= 1),
    CONSTRAINT service_need_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT service_need_count_range CHECK (count BETWEEN 1 AND 1000)
);

CREATE TABLE service_need_resource (
    organization_id uuid NOT NULL,
    service_id uuid NOT NULL,
    need_position integer NOT NULL,
    position integer NOT NULL,
    resource_id uuid NOT NULL,
    CONSTRAINT service_need_resource_pkey PRIMARY KEY (organization_id, service_id, need_position, position),
    CONSTRAINT service_need_resource_need_fkey FOREIGN KEY (organization_id, service_id, need_position)
        REFERENCES service_need (organization_id, service_id, position),
    CONSTRAINT service_need_resource_resource_fkey FOREIGN KEY (organization_id, resource_id)
        REFERENCES resource (organization_id, id),
    -- In one group of a service at most: units are then counted for each group by itself.
    CONSTRAINT service_need_resource_in_one_need UNIQUE (organization_id, service_id, resource_id),
    CONSTRAINT service_need_resource_position_range CHECK (position >= 1)
);

-- The services that need a resource.
CREATE INDEX service_need_resource_by_resource ON service_need_resource (organization_id, resource_id, service_id);
