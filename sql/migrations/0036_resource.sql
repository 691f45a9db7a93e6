-- Resources: rooms, chairs, devices. Each is so many identical units, numbered from 1, and a subject as a provider is: its
-- hours and claims are in the same tables.
-- Blocks changes of organizations and providers for an instant; reading and booking go on.

CREATE TABLE resource (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    time_zone text NOT NULL,
    -- Where it shrinks, claims on the units above it stay.
    units integer NOT NULL,
    is_always_open boolean NOT NULL,
    is_archived boolean NOT NULL DEFAULT false,
    external_id text,
    created_at timestamptz NOT NULL,
    name_sort text COLLATE "C" GENERATED ALWAYS AS (name_sort_key(name)) STORED NOT NULL,
    CONSTRAINT resource_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT resource_is_subject_fkey FOREIGN KEY (organization_id, id) REFERENCES subject (organization_id, id),
    CONSTRAINT resource_external_id_key UNIQUE (organization_id, external_id),
    CONSTRAINT resource_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT resource_kind_length CHECK (char_length(kind) BETWEEN 1 AND 100),
    CONSTRAINT resource_time_zone_length CHECK (char_length(time_zone) BETWEEN 1 AND 64),
    CONSTRAINT resource_units_range CHECK (units BETWEEN 1 AND 1000),
    CONSTRAINT resource_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 255)
);

-- The resource list, paged by keyset.
CREATE INDEX resource_by_name ON resource (organization_id, name_sort, id);
