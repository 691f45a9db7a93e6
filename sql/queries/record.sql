-- name: insert_history :exec
-- What happened to appointments, one entry for each of their new versions; the arrays run in
-- parallel. $14 are the providers that all of them took before, null where those stayed. Joined
-- with a provider of the organization, so that the statement runs where the organization's rows
-- are.
-- params: organization_id uuid, provider_id uuid, appointment_ids uuid[], versions integer[], kind text, occurred_at timestamptz, actor text, actor_subject text, from_statuses text[], to_status text, from_starts timestamptz[], to_starts timestamptz[], reason text, from_provider_ids uuid[], assignment text, from_session_ids uuid[], from_seats integer[], ignored text[], is_readdressed boolean, former_email text, former_phone text
INSERT INTO appointment_history (organization_id, appointment_id, version, kind, occurred_at, actor, actor_subject,
    from_status, to_status, from_starts_at, to_starts_at, reason, from_provider_ids, assignment,
    from_session_id, from_seats, ignored, is_readdressed, former_email, former_phone)
SELECT provider.organization_id, entry.appointment_id, entry.version, $5, $6, $7, $8, entry.from_status, $10,
    entry.from_starts_at, entry.to_starts_at, $13, $14, $15, entry.from_session_id,
    entry.from_seats, $18, $19, $20, $21
FROM provider
CROSS JOIN unnest($3::uuid[], $4::integer[], $9::text[], $11::timestamptz[], $12::timestamptz[], $16::uuid[],
        $17::integer[])
    AS entry (appointment_id, version, from_status, from_starts_at, to_starts_at, from_session_id, from_seats)
WHERE provider.organization_id = $1 AND provider.id = $2;

-- name: insert_outbox :exec
-- The messages about an appointment's current time, and when each is due; nothing where it is
-- planned already. Joined with the provider for the same reason as the history.
-- params: organization_id uuid, provider_id uuid, appointment_id uuid, time_version integer, kinds text[], due_at timestamptz[], by_guest boolean, origins bytea[]
INSERT INTO message_outbox (organization_id, appointment_id, time_version, kind, due_at, by_guest, origin)
SELECT provider.organization_id, $3, $4, planned.kind, planned.due_at, $7, planned.origin
FROM provider
CROSS JOIN unnest($5::text[], $6::timestamptz[], $8::bytea[]) AS planned (kind, due_at, origin)
WHERE provider.organization_id = $1 AND provider.id = $2
ON CONFLICT ON CONSTRAINT message_outbox_pkey DO NOTHING;

-- name: insert_idempotency_key :exec
-- Store the key with its result. Its lock is held, so it is not there yet.
-- params: organization_id uuid, mutation text, caller text, key text, request_hash bytea, appointment_id uuid, hold_id uuid, created_at timestamptz, session_id uuid
INSERT INTO idempotency_key (organization_id, mutation, caller, key, request_hash, appointment_id, hold_id, created_at,
    session_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- fragment: epoch_begun
-- A new epoch of the organization's events, where it has begun: see begin_epoch.
INSERT INTO event_epoch (organization_id, epoch, server_started_at)
SELECT $1, coalesce(max(epoch), 0) + 1, pg_postmaster_start_time()
FROM event_epoch
WHERE organization_id = $1
HAVING count(*) FILTER (WHERE server_started_at = pg_postmaster_start_time()) = 0
ON CONFLICT ON CONSTRAINT event_epoch_pkey
    DO UPDATE SET epoch = excluded.epoch, server_started_at = excluded.server_started_at;

-- fragment: place_of_events
-- The place of this transaction's events in the organization's log, which its id is. Worked out
-- from the snapshot from which the same statement may begin an epoch.
SELECT coalesce(max(epoch), 0)
        + CASE WHEN count(*) FILTER (WHERE server_started_at = pg_postmaster_start_time()) = 0 THEN 1 ELSE 0 END
        AS epoch,
    pg_current_xact_id()::text::bigint AS transaction_id
FROM event_epoch
WHERE organization_id = $1;

-- name: begin_epoch :exec
-- Start a new epoch of the organization's events where another run of the server, or another
-- server, wrote the last of them: its transaction ids may say nothing about theirs. Otherwise no
-- row is written and none is locked, so writers only wait for one another at the first event of an
-- epoch. Two that start it at once compute the same number.
-- params: organization_id uuid
{{epoch_begun}};

-- name: insert_events :exec
-- What happened, in the same statement as begin_epoch, which this one cannot see: both work out the
-- epoch from the same snapshot. The id of the transaction is the place of its events in the
-- organization's log.
-- params: organization_id uuid, ids uuid[], types text[], subject_ids uuid[], versions integer[], provider_ids uuid[], customer_ids uuid[], occurred_at timestamptz, actor text, actor_subject text
INSERT INTO event (organization_id, epoch, transaction_id, id, type, subject_id, version, provider_id, customer_id,
    occurred_at, actor, actor_subject)
SELECT $1, place.epoch, place.transaction_id, happened.id, happened.type, happened.subject_id,
    happened.version, happened.provider_id, happened.customer_id, $8, $9, $10
FROM (
    {{place_of_events}}
) AS place
CROSS JOIN unnest($2::uuid[], $3::text[], $4::uuid[], $5::integer[], $6::uuid[], $7::uuid[])
    AS happened (id, type, subject_id, version, provider_id, customer_id);

-- name: record_events :exec
-- The same as begin_epoch and insert_events, by a function that runs where the organization's rows
-- are: only where the database is distributed.
-- params: organization_id uuid, ids uuid[], types text[], subject_ids uuid[], versions integer[], provider_ids uuid[], customer_ids uuid[], occurred_at timestamptz, actor text, actor_subject text
SELECT is_recorded
FROM record_events(
    organization_id => $1, ids => $2, types => $3, subject_ids => $4, versions => $5, provider_ids => $6,
    customer_ids => $7, occurred_at => $8, actor => $9, actor_subject => $10
) AS is_recorded;
