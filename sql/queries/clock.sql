-- name: clock_ahead :maybe
-- How far the test clock is ahead of the real one.
-- params: none
-- scope: all organizations
SELECT ahead
FROM program_clock;

-- name: set_clock :exec
-- Set the test clock.
-- params: ahead interval
-- scope: all organizations
INSERT INTO program_clock (is_only, ahead)
VALUES (true, $1)
ON CONFLICT ON CONSTRAINT program_clock_pkey DO UPDATE SET ahead = excluded.ahead;

-- name: advance_clock :one
-- Advance the test clock.
-- params: by interval
-- scope: all organizations
INSERT INTO program_clock (is_only, ahead)
VALUES (true, $1)
ON CONFLICT ON CONSTRAINT program_clock_pkey DO UPDATE SET ahead = program_clock.ahead + excluded.ahead
RETURNING ahead;
