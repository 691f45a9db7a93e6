-- name: token_is_revoked :one
-- Whether the token of this id was revoked.
-- params: organization_id uuid, token_id text
SELECT EXISTS (SELECT FROM revoked_token WHERE organization_id = $1 AND token_id = $2) AS revoked;

-- name: insert_revoked_token :exec
-- Revoke the token of this id; if it was revoked before, the later expiry counts.
-- params: organization_id uuid, token_id text, revoked_at timestamptz, expires_at timestamptz
INSERT INTO revoked_token (organization_id, token_id, revoked_at, expires_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT revoked_token_pkey DO UPDATE
SET expires_at = CASE
    WHEN revoked_token.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL
    ELSE greatest(revoked_token.expires_at, excluded.expires_at)
END;
