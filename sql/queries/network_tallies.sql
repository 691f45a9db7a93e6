-- name: add_to_network_tally :exec
-- Add to a network's count on a day.
-- params: organization_id uuid, origin bytea, day date, what text, count integer
INSERT INTO network_tally (organization_id, origin, day, what, count)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT ON CONSTRAINT network_tally_pkey DO UPDATE SET count = network_tally.count + excluded.count;

-- name: messages_of_networks :many
-- How many messages guests of each of these networks have caused on this day; no row for none.
-- params: organization_id uuid, origins bytea[], day date
SELECT origin, count
FROM network_tally
WHERE organization_id = $1 AND origin = ANY($2) AND day = $3 AND what = 'MESSAGES';

-- name: purge_network_tallies :one
-- Delete a batch of the tallies of past days, and return how many there were.
-- params: before date, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM network_tally
    WHERE (organization_id, origin, day, what) IN (
        SELECT organization_id, origin, day, what
        FROM network_tally
        WHERE day < $1
        ORDER BY day
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;
