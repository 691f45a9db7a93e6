-- fragment: active_session_columns
-- The columns of an active session, as `_session` reads them: arrays in parallel, of the parties
-- and of the claims.
session.id, session.service_id, session.provider_id, session.provider_ids, session.resource_ids,
coalesce(party.seats, '{}') AS party_seats, coalesce(party.expiries, '{}') AS party_expiries,
coalesce(taken.subject_ids, '{}') AS claim_subject_ids,
coalesce(taken.minutes, '{}') AS claim_minutes, coalesce(taken.expiries, '{}') AS claim_expiries;

-- fragment: active_session
-- Sessions, each with the parties that have seats in it, those of expired holds among them, and its
-- active claims. $2 is an appointment whose party is left out.
session
CROSS JOIN LATERAL (
    SELECT array_agg(seats ORDER BY appointment_id, hold_id, expires_at) AS seats,
        array_agg(expires_at ORDER BY appointment_id, hold_id, expires_at) AS expiries
    FROM (
        SELECT appointment_id, hold_id, expires_at, count(*)::integer AS seats
        FROM seat
        WHERE seat.organization_id = $1 AND seat.session_id = session.id AND seat.active
            AND ($2::uuid IS NULL OR seat.appointment_id IS DISTINCT FROM $2)
        GROUP BY appointment_id, hold_id, expires_at
    ) AS each
) AS party
CROSS JOIN LATERAL (
    SELECT array_agg(subject_id ORDER BY subject_id, unit) AS subject_ids,
        array_agg(
            ARRAY[claimed_from, claimed_until, visit_from, visit_until, unit] ORDER BY subject_id, unit
        ) AS minutes,
        array_agg(expires_at ORDER BY subject_id, unit) AS expiries
    FROM claim
    WHERE claim.organization_id = $1 AND claim.session_id = session.id AND claim.active
) AS taken;

-- name: active_sessions :many
-- The sessions of these services that have not ended and start between two instants, from inclusive
-- to exclusive; with the number of seats that the service has now. Those with the same start are in
-- the service's order of their leads.
-- params: organization_id uuid, without_appointment_id uuid, service_ids uuid[], from_start timestamptz, until_start timestamptz
SELECT {{active_session_columns}}, (
        SELECT service.seats FROM service WHERE service.organization_id = $1 AND service.id = session.service_id
    ) AS seats_now
FROM {{active_session}}
WHERE session.organization_id = $1 AND session.service_id = ANY($3) AND session.ended_at IS NULL
    AND session.starts_at >= $4 AND session.starts_at < $5
ORDER BY session.starts_at, (
        SELECT offered.position
        FROM service_provider AS offered
        WHERE offered.organization_id = $1 AND offered.service_id = session.service_id
            AND offered.provider_id = session.provider_id
    ) NULLS LAST, session.provider_id, session.id;

-- name: sessions_by_id :many
-- Those of these sessions that have not ended.
-- params: organization_id uuid, without_appointment_id uuid, ids uuid[]
SELECT {{active_session_columns}}
FROM {{active_session}}
WHERE session.organization_id = $1 AND session.id = ANY($3) AND session.ended_at IS NULL;

-- name: sessions_for_update :many
-- The sessions of a service that have not ended and start at this instant, and the others with
-- these ids. They are locked until the transaction ends: who sits in them changes one after the
-- other. Locked in one order, so that there is no deadlock.
-- params: organization_id uuid, without_appointment_id uuid, service_id uuid, starts_at timestamptz, ids uuid[]
SELECT {{active_session_columns}}
FROM {{active_session}}
WHERE session.organization_id = $1 AND session.ended_at IS NULL
    AND (session.id = ANY($5) OR (session.service_id = $3 AND session.starts_at = $4))
ORDER BY session.id
FOR UPDATE OF session;

-- name: insert_session :exec
-- A session; its claims and its first seats are written with it.
-- params: organization_id uuid, id uuid, service_id uuid, provider_id uuid, provider_ids uuid[], resource_ids uuid[], starts_at timestamptz, ends_at timestamptz, created_at timestamptz
INSERT INTO session (organization_id, id, service_id, provider_id, provider_ids, resource_ids, starts_at, ends_at,
    created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: insert_seats :exec
-- The lowest free seats of a session, up to number $6, for an appointment or a hold. Fewer rows
-- than ids mean that too few are free, or that the session's claims ($9 of them) do not last as long.
-- $9 is 0 where the session is new: its claims are written with it, before or after the seats. Joined
-- with a provider of the organization, so that the statement runs where the organization's rows are.
-- params: organization_id uuid, session_id uuid, provider_id uuid, appointment_id uuid, hold_id uuid, seats_now integer, expires_at timestamptz, ids uuid[], claims integer
INSERT INTO seat (organization_id, id, session_id, number, appointment_id, hold_id, expires_at, active)
SELECT provider.organization_id, ($8::uuid[])[free.place], $2, free.number, $4, $5, $7, true
FROM provider
CROSS JOIN LATERAL (
    SELECT number, row_number() OVER (ORDER BY number) AS place
    -- As many as are taken are in the way of the lowest free ones, at most.
    FROM generate_series(1, least($6::integer, cardinality($8::uuid[]) + (
        SELECT count(*)::integer
        FROM seat
        WHERE seat.organization_id = $1 AND seat.session_id = $2 AND seat.active
    ))) AS number
    WHERE NOT EXISTS (
        SELECT
        FROM seat
        WHERE seat.organization_id = $1 AND seat.session_id = $2 AND seat.active AND seat.number = number.number
    )
    ORDER BY number
    LIMIT cardinality($8::uuid[])
) AS free
WHERE provider.organization_id = $1 AND provider.id = $3
    AND $9::integer IN (0, (
        SELECT count(*)
        FROM claim
        WHERE claim.organization_id = $1 AND claim.session_id = $2 AND claim.active
            AND (claim.expires_at IS NULL OR claim.expires_at >= $7)
    ))
ON CONFLICT (organization_id, session_id, number) WHERE active DO NOTHING;

-- name: keep_session_time :exec
-- The active claims of a session, which is locked, expire no earlier than $3, or not at all.
-- params: organization_id uuid, session_id uuid, expires_at timestamptz
WITH kept AS (
    SELECT id
    FROM claim
    WHERE organization_id = $1 AND session_id = $2 AND active
    -- As in free_hold_time.
    ORDER BY subject_id, unit, claimed_from
    FOR UPDATE
)
UPDATE claim
SET expires_at = CASE WHEN $3::timestamptz IS NOT NULL AND claim.expires_at IS NOT NULL
    THEN greatest(claim.expires_at, $3) END
FROM kept
WHERE claim.organization_id = $1 AND claim.id = kept.id;

-- name: change_session :exec
-- The next version of a session, which is locked: an appointment joins it.
-- params: organization_id uuid, id uuid
UPDATE session
SET version = version + 1
WHERE organization_id = $1 AND id = $2;

-- name: change_session_of_hold :exec
-- The same for the session in which a hold has seats, which become an appointment's.
-- params: organization_id uuid, hold_id uuid
UPDATE session
SET version = version + 1
WHERE organization_id = $1
    AND id = (SELECT session_id FROM seat WHERE organization_id = $1 AND hold_id = $2 AND active LIMIT 1);

-- name: use_seats :exec
-- The seats of a hold, whose session is locked, are an appointment's from now on. Fewer rows than
-- the hold has mean that it has expired and others have them.
-- params: organization_id uuid, hold_id uuid, appointment_id uuid
UPDATE seat
SET appointment_id = $3, hold_id = NULL, expires_at = NULL
WHERE organization_id = $1 AND hold_id = $2 AND active;

-- name: give_back_seats :exec
-- Give back an appointment's seats in its session, which is locked, but for the lowest $3 of them.
-- params: organization_id uuid, appointment_id uuid, kept integer
UPDATE seat
SET active = false
WHERE organization_id = $1 AND appointment_id = $2 AND active
    AND id IN (
        SELECT id
        FROM seat
        WHERE organization_id = $1 AND appointment_id = $2 AND active
        ORDER BY number
        OFFSET $3::integer
    );

-- name: give_back_expired_seats :exec
-- Give back the seats of a session, which is locked, that have expired by $3.
-- params: organization_id uuid, session_id uuid, expired_by timestamptz
UPDATE seat
SET active = false
WHERE organization_id = $1 AND session_id = $2 AND active AND expires_at <= $3;

-- name: leave_session :exec
-- Give back the seats of an appointment or a hold in a session, which is locked, and those that
-- have expired by $3. If nobody has a seat any more, end the session and free its time. Else its
-- claims last as long as its seats: as long as the last hold, or without an end where an
-- appointment has some. The session has changed if it ends, or an appointment leaves it.
-- params: organization_id uuid, session_id uuid, now timestamptz, appointment_id uuid, hold_id uuid
WITH taken AS (
    SELECT count(*) AS seats, bool_or(expires_at IS NULL) AS is_booked, max(expires_at) AS until
    FROM seat
    WHERE organization_id = $1 AND session_id = $2 AND active AND (expires_at IS NULL OR expires_at > $3)
        AND ($4::uuid IS NULL OR appointment_id IS DISTINCT FROM $4)
        AND ($5::uuid IS NULL OR hold_id IS DISTINCT FROM $5)
), left_seats AS (
    UPDATE seat
    SET active = false
    WHERE organization_id = $1 AND session_id = $2 AND active
        AND (expires_at <= $3 OR appointment_id = $4 OR hold_id = $5)
), ended AS (
    UPDATE session
    SET ended_at = CASE WHEN taken.seats = 0 THEN $3 END, version = session.version + 1
    FROM taken
    WHERE (taken.seats = 0 OR $4::uuid IS NOT NULL)
        AND session.organization_id = $1 AND session.id = $2 AND session.ended_at IS NULL
), its AS (
    SELECT id
    FROM claim
    WHERE organization_id = $1 AND session_id = $2 AND active
    -- As in free_hold_time.
    ORDER BY subject_id, unit, claimed_from
    FOR UPDATE
)
UPDATE claim
SET active = taken.seats > 0,
    expires_at = CASE WHEN taken.seats = 0 THEN claim.expires_at WHEN NOT taken.is_booked THEN taken.until END
FROM its
CROSS JOIN taken
WHERE claim.organization_id = $1 AND claim.id = its.id;

-- name: sessions_to_settle :many
-- A batch of the sessions that have seats of expired holds, of all organizations. Nothing is
-- locked.
-- params: expired_by timestamptz, batch_size integer
-- scope: all organizations
SELECT DISTINCT organization_id, session_id
FROM (
    SELECT organization_id, session_id
    FROM seat
    WHERE active AND expires_at <= $1
    ORDER BY expires_at
    LIMIT $2::integer
) AS expired;

-- name: lock_session :exec
-- A session, locked until the transaction ends; no row where it has ended.
-- params: organization_id uuid, id uuid
SELECT id
FROM session
WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL
FOR UPDATE;
