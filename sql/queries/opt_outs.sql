-- name: opted_out :many
-- Those of these addresses, each a channel and a digest, that opted out. The earlier digests are
-- those that were made of the domain's own letters: they count only where an opt-out was written
-- so. Channels and digests are named by themselves too, for the index: by the pairs alone,
-- PostgreSQL may read all opt-outs of the organization.
-- params: organization_id uuid, channels text[], address_digests bytea[], earlier_channels text[], earlier_digests bytea[]
SELECT address_digest, false AS is_earlier
FROM message_opt_out
WHERE organization_id = $1
    AND channel = ANY($2)
    AND address_digest = ANY($3)
    AND (channel, address_digest) IN (SELECT * FROM unnest($2::text[], $3::bytea[]))
UNION ALL
SELECT address_digest, true
FROM message_opt_out
WHERE organization_id = $1
    AND NOT domain_in_ascii
    AND channel = ANY($4)
    AND address_digest = ANY($5)
    AND (channel, address_digest) IN (SELECT * FROM unnest($4::text[], $5::bytea[]));

-- name: insert_opt_out :exec
-- Opt an address out of a channel; no row if it has opted out already.
-- params: organization_id uuid, channel text, address_digest bytea, opted_out_at timestamptz
INSERT INTO message_opt_out (organization_id, channel, address_digest, opted_out_at, domain_in_ascii)
VALUES ($1, $2, $3, $4, true)
ON CONFLICT ON CONSTRAINT message_opt_out_pkey DO NOTHING;

-- name: delete_opt_outs :exec
-- These addresses want messages again.
-- params: organization_id uuid, channels text[], address_digests bytea[], earlier_channels text[], earlier_digests bytea[]
DELETE FROM message_opt_out
WHERE organization_id = $1
    AND (
        (channel, address_digest) IN (SELECT * FROM unnest($2::text[], $3::bytea[]))
        OR (NOT domain_in_ascii AND (channel, address_digest) IN (SELECT * FROM unnest($4::text[], $5::bytea[])))
    );
