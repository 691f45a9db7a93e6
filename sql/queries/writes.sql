-- name: write_at_once :one
-- Several statements of the organization, run one after the other where its rows are: only where the
-- database is distributed. Gives how many rows each touched, and fails with SW001 where one of them
-- touched fewer than it has to. See app/store/one_call.py.
-- params: organization_id uuid, statements text[], at_least bigint[], arguments text[]
SELECT touched
FROM write_at_once(organization_id => $1, statements => $2, at_least => $3, arguments => $4) AS touched;
