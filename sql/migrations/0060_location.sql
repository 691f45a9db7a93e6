-- Locations: where visits take place, and how to reach the practice there; how to reach the organization; and what it says
-- of its providers and services. What is there already has none of it, and neither has what earlier programs write.
-- Blocks reading and changing of organizations, providers and services for an instant: these tables are small.

CREATE TABLE location (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    address text,
    phone text,
    email text,
    url text,
    directions text,
    time_zone text,
    is_archived boolean NOT NULL DEFAULT false,
    external_id text,
    created_at timestamptz NOT NULL,
    name_sort text COLLATE "C" GENERATED ALWAYS AS (name_sort_key(name)) STORED NOT NULL,
    CONSTRAINT location_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT location_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT location_external_id_key UNIQUE (organization_id, external_id),
    CONSTRAINT location_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT location_address_length CHECK (char_length(address) BETWEEN 1 AND 500),
    CONSTRAINT location_phone_form CHECK (phone ~ '^\+[0-9]{3,15}$'),
    CONSTRAINT location_email_length CHECK (char_length(email) BETWEEN 3 AND 254),
    CONSTRAINT location_url_form CHECK (char_length(url) <= 500 AND url ~ '^[Hh][Tt][Tt][Pp][Ss]?://'),
    CONSTRAINT location_directions_length CHECK (char_length(directions) BETWEEN 1 AND 1000),
    CONSTRAINT location_time_zone_length CHECK (char_length(time_zone) BETWEEN 1 AND 64),
    CONSTRAINT location_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 255)
);

ALTER TABLE organization ADD COLUMN phone text;
ALTER TABLE organization ADD COLUMN email text;
ALTER TABLE organization ADD COLUMN url text;
ALTER TABLE organization ADD CONSTRAINT organization_phone_form CHECK (phone ~ '^\+[0-9]{3,15}$');
ALTER TABLE organization ADD CONSTRAINT organization_email_length CHECK (char_length(email) BETWEEN 3 AND 254);
ALTER TABLE organization
    ADD CONSTRAINT organization_url_form CHECK (char_length(url) <= 500 AND url ~ '^[Hh][Tt][Tt][Pp][Ss]?://');

ALTER TABLE provider ADD COLUMN description text;
ALTER TABLE provider ADD COLUMN location_id uuid;
ALTER TABLE provider
    ADD CONSTRAINT provider_description_length CHECK (char_length(description) BETWEEN 1 AND 2000);
ALTER TABLE provider
    ADD CONSTRAINT provider_location_fkey FOREIGN KEY (organization_id, location_id)
    REFERENCES location (organization_id, id);

ALTER TABLE service ADD COLUMN description text;
ALTER TABLE service ADD COLUMN location_id uuid;
ALTER TABLE service ADD CONSTRAINT service_description_length CHECK (char_length(description) BETWEEN 1 AND 2000);
ALTER TABLE service
    ADD CONSTRAINT service_location_fkey FOREIGN KEY (organization_id, location_id)
    REFERENCES location (organization_id, id);
