-- name: opted_out :many
-- Those of these addresses, each a channel and a digest, that opted out.
-- params: organization_id uuid, channels text[], address_digests bytea[]
SELECT address_digest
FROM message_opt_out
WHERE organization_id = $1 AND (channel, address_digest) IN (SELECT * FROM unnest($2::text[], $3::bytea[]));

-- name: insert_opt_out :exec
-- An address that wants nothing on a channel any more; nothing where it said so before.
-- params: organization_id uuid, channel text, address_digest bytea, opted_out_at timestamptz
INSERT INTO message_opt_out (organization_id, channel, address_digest, opted_out_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT message_opt_out_pkey DO NOTHING;

-- name: delete_opt_outs :exec
-- These addresses want messages again.
-- params: organization_id uuid, channels text[], address_digests bytea[]
DELETE FROM message_opt_out
WHERE organization_id = $1 AND (channel, address_digest) IN (SELECT * FROM unnest($2::text[], $3::bytea[]));
