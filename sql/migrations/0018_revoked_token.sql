-- Access tokens that were revoked before they expired, by the id (jti) that they carry.

CREATE TABLE revoked_token (
    organization_id uuid NOT NULL,
    token_id text NOT NULL,
    revoked_at timestamptz NOT NULL,
    -- When the token ends by itself and the row has served; null: nobody knows, so the row stays.
    expires_at timestamptz,
    CONSTRAINT revoked_token_pkey PRIMARY KEY (organization_id, token_id),
    CONSTRAINT revoked_token_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT revoked_token_id_length CHECK (char_length(token_id) BETWEEN 1 AND 255)
);

-- The purge of those that have served.
CREATE INDEX revoked_token_by_expiry ON revoked_token (expires_at) WHERE (expires_at IS NOT NULL);
