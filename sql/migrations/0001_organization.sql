-- Everything belongs to an organization, so it comes first. Its id leads every key and index below: one
-- organization's rows can live together, and no query can reach from one into another.

-- GiST operators for uuid and smallint equality, which exclusion constraints need beside range overlap.
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE organization (
    id uuid NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT organization_pkey PRIMARY KEY (id),
    CONSTRAINT organization_slug_key UNIQUE (slug),
    CONSTRAINT organization_slug_form CHECK (slug ~ '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$'),
    CONSTRAINT organization_name_length CHECK (char_length(name) BETWEEN 1 AND 200)
);
