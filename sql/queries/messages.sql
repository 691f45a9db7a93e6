-- fragment: message_recipient
-- Whom a row of the message log is for. Rows of earlier programs name no provider: theirs are for
-- the lead. Those for other providers have no recipient, since earlier programs know one provider
-- for an appointment (0043).
coalesce(reminder_log.recipient, 'PROVIDER') AS recipient,
    CASE WHEN reminder_log.recipient IS DISTINCT FROM 'CUSTOMER' THEN coalesce(reminder_log.provider_id, (
        SELECT appointment.provider_id
        FROM appointment
        WHERE appointment.organization_id = $1 AND appointment.id = reminder_log.appointment_id
    )) END AS provider_id;

-- name: booked_visits :many
-- These appointments, with what their customers' records say about messages to them.
-- params: organization_id uuid, ids uuid[]
SELECT {{appointment_columns}}, booked_by.wanted_channels, booked_by.is_erased
FROM appointment
JOIN (
    SELECT customer.id AS booked_by_id, customer.channels AS wanted_channels, customer.erased_at IS NOT NULL AS is_erased
    FROM customer
    WHERE customer.organization_id = $1
) AS booked_by ON booked_by.booked_by_id = appointment.customer_id
WHERE appointment.organization_id = $1 AND appointment.id = ANY($2);

-- name: providers_of_visits :many
-- These providers, each with its organization.
-- params: organization_id uuid, ids uuid[]
SELECT {{provider_columns}}, own.*
FROM provider
CROSS JOIN (
    SELECT organization.id AS own_id, organization.slug AS own_slug, organization.name AS own_name,
        organization.sms_to_unverified_numbers AS own_sms_to_unverified_numbers,
        organization.allows_customer_overlap AS own_allows_customer_overlap,
        organization.phone AS own_phone, organization.email AS own_email, organization.url AS own_url,
        organization.reminder_minutes_before AS own_reminder_minutes_before,
        organization.locale AS own_locale
    FROM organization
    WHERE organization.id = $1
) AS own
WHERE provider.organization_id = $1 AND provider.id = ANY($2);

-- name: due_outbox :many
-- A batch of what is due, longest due first, of all organizations; news before reminders, of which
-- an organization may have any number at once. Nothing is locked.
-- params: due_by timestamptz, batch_size integer
-- scope: all organizations
(
    SELECT organization_id, appointment_id, time_version, kind
    FROM message_outbox
    WHERE due_at <= $1 AND kind NOT LIKE '%BEFORE%'
    ORDER BY due_at
    LIMIT $2::integer
)
UNION ALL
(
    SELECT organization_id, appointment_id, time_version, kind
    FROM message_outbox
    WHERE due_at <= $1 AND kind LIKE '%BEFORE%'
    ORDER BY due_at
    LIMIT $2::integer
)
LIMIT $2::integer;

-- name: take_outbox :many
-- Take these entries out of the outbox, except those that another worker is taking. The time it
-- takes must not grow with the organization's outbox, even where PostgreSQL has no statistics of it
-- and plans for one row per organization: so both scans name the appointments, which the index
-- finds, and the first runs once.
-- params: organization_id uuid, appointment_ids uuid[], time_versions integer[], kinds text[]
WITH taken AS MATERIALIZED (
    SELECT appointment_id, time_version, kind
    FROM message_outbox
    WHERE organization_id = $1
        AND appointment_id = ANY($2)
        AND (appointment_id, time_version, kind) IN (SELECT * FROM unnest($2::uuid[], $3::integer[], $4::text[]))
    FOR UPDATE SKIP LOCKED
)
DELETE FROM message_outbox
USING taken
WHERE message_outbox.organization_id = $1
    AND message_outbox.appointment_id = ANY($2)
    AND message_outbox.appointment_id = taken.appointment_id
    AND message_outbox.time_version = taken.time_version
    AND message_outbox.kind = taken.kind
RETURNING message_outbox.appointment_id, message_outbox.time_version, message_outbox.kind,
    message_outbox.due_at, message_outbox.by_guest, message_outbox.origin;

-- name: outbox_of_appointments :many
-- The planned messages of these appointments, in the order in which they are due.
-- params: organization_id uuid, appointment_ids uuid[]
SELECT appointment_id, time_version, kind, due_at, by_guest, origin
FROM message_outbox
WHERE organization_id = $1 AND appointment_id = ANY($2)
ORDER BY due_at, kind;

-- name: insert_messages :many
-- Rows of the log, each once: one that is there for the same time, kind, recipient and channel
-- stays as it is; for a session there is one, whichever of its appointments it was planned with.
-- Returns those that were written. One attempt: the row is claimed until its lease ends.
-- Joined with their appointments, so that the statement runs where the organization's rows are, and
-- since only the lead's rows about appointments have a recipient (see message_recipient). Written
-- in one order, so that two workers never deadlock over the keys of sessions.
-- params: organization_id uuid, ids uuid[], appointment_ids uuid[], time_versions integer[], kinds text[], recipients text[], channels text[], statuses text[], due_at timestamptz[], leases timestamptz[], details text[], created_at timestamptz, destinations bytea[], provider_ids uuid[], session_ids uuid[], attempts integer[]
INSERT INTO reminder_log (organization_id, id, appointment_id, time_version, kind, recipient, channel, status, due_at,
    lease_until, detail, created_at, destination, provider_id, session_id, attempts)
SELECT appointment.organization_id, new.id, new.appointment_id, new.time_version, new.kind,
    CASE
        WHEN new.session_id IS NULL AND coalesce(new.provider_id, appointment.provider_id) = appointment.provider_id
            THEN new.recipient
    END,
    new.channel, new.status, new.due_at, new.lease_until, new.detail, $12, new.destination, new.provider_id,
    new.session_id, new.attempts
FROM appointment
CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::timestamptz[], $10::timestamptz[], $11::text[], $13::bytea[], $14::uuid[], $15::uuid[], $16::integer[])
    AS new (id, appointment_id, time_version, kind, recipient, channel, status, due_at, lease_until, detail, destination,
        provider_id, session_id, attempts)
WHERE appointment.organization_id = $1 AND appointment.id = new.appointment_id
ORDER BY new.session_id, new.time_version, new.kind, new.provider_id, new.channel
-- Under one of three keys: by recipient, by provider, and by session and provider.
ON CONFLICT DO NOTHING
RETURNING id;

-- name: insert_resend :maybe
-- A row of its own for a message that staff asked for again; none where such a one waits already.
-- params: organization_id uuid, id uuid, appointment_id uuid, time_version integer, kind text, recipient text, channel text, due_at timestamptz, lease_until timestamptz, destination bytea, provider_id uuid, session_id uuid
INSERT INTO reminder_log (organization_id, id, appointment_id, time_version, kind, recipient, channel, status, due_at,
    lease_until, created_at, is_resend, destination, provider_id, session_id)
SELECT appointment.organization_id, $2, $3, $4, $5,
    CASE WHEN $12::uuid IS NULL AND coalesce($11, appointment.provider_id) = appointment.provider_id THEN $6 END, $7,
    'PENDING', $8, $9, $8, true, $10, $11, $12
FROM appointment
WHERE appointment.organization_id = $1 AND appointment.id = $3
ON CONFLICT DO NOTHING
RETURNING id;

-- name: count_messages :many
-- How many messages each of these destinations was sent, or waits to be sent, since then. What
-- failed counts: it was tried.
-- params: organization_id uuid, destinations bytea[], since timestamptz
SELECT destination, count(*) AS messages
FROM reminder_log
WHERE organization_id = $1 AND destination = ANY($2) AND created_at > $3 AND status <> 'SKIPPED'
GROUP BY destination;

-- name: notified_times :many
-- The times of these appointments that a message to the customer was sent about, or is pending
-- about, with the channel.
-- params: organization_id uuid, appointment_ids uuid[]
SELECT DISTINCT appointment_id, channel, time_version
FROM reminder_log
WHERE organization_id = $1 AND appointment_id = ANY($2) AND recipient = 'CUSTOMER' AND status IN ('PENDING', 'SENT')
    -- It went to an address that the time has no more.
    AND kind <> 'READDRESSED';

-- name: messages_of_appointments :many
-- Every row of the log for these appointments, in the order in which they were due; the rows of a
-- session for each of its appointments.
-- params: organization_id uuid, appointment_ids uuid[]
SELECT id, asked.appointment_id, time_version, kind, {{message_recipient}}, channel, status, due_at,
    sent_at, detail, is_resend, session_id
FROM (
    SELECT reminder_log.id AS message_id, reminder_log.appointment_id
    FROM reminder_log
    WHERE reminder_log.organization_id = $1
        AND reminder_log.appointment_id = ANY($2)
        AND reminder_log.session_id IS NULL
    UNION ALL
    SELECT reminder_log.id, appointment.id
    FROM appointment
    JOIN reminder_log
        ON reminder_log.organization_id = $1 AND reminder_log.session_id = appointment.session_id
    WHERE appointment.organization_id = $1 AND appointment.id = ANY($2)
) AS asked
JOIN reminder_log ON reminder_log.organization_id = $1 AND reminder_log.id = asked.message_id
ORDER BY due_at, id;

-- name: appointments_of_messages :many
-- Which appointment each of these rows of the log is about.
-- params: organization_id uuid, ids uuid[]
SELECT id, appointment_id
FROM reminder_log
WHERE organization_id = $1 AND id = ANY($2);

-- name: waiting_messages :many
-- A batch of messages that wait to be sent and that nobody has a lease on, longest waiting first,
-- of all organizations; news before reminders. Nothing is locked.
-- params: real_now timestamptz, batch_size integer
-- scope: all organizations
(
    SELECT organization_id, id
    FROM reminder_log
    WHERE status = 'PENDING' AND lease_until <= $1 AND kind NOT LIKE '%BEFORE%'
    ORDER BY lease_until
    LIMIT $2::integer
)
UNION ALL
(
    SELECT organization_id, id
    FROM reminder_log
    WHERE status = 'PENDING' AND lease_until <= $1 AND kind LIKE '%BEFORE%'
    ORDER BY lease_until
    LIMIT $2::integer
)
LIMIT $2::integer;

-- name: claim_messages :many
-- Claim these messages until the lease ends; those that another worker claimed, or is claiming, are
-- left to it. The number of attempts is the proof of the claim: closing the row takes it.
-- This, begin_attempts and close_messages find rows by their ids alone, and lock them once, whatever
-- PostgreSQL plans.
-- A row waits as long as it has a lease. To ask for its status would allow the index of what waits,
-- which is full of dead entries in a rush; and a subquery that locks may be run for every row.
-- params: organization_id uuid, ids uuid[], real_now timestamptz, lease_until timestamptz
WITH free AS MATERIALIZED (
    SELECT mine.id
    FROM reminder_log AS mine
    JOIN unnest($2::uuid[]) AS wanted (id) ON wanted.id = mine.id
    WHERE mine.organization_id = $1 AND mine.id = ANY($2) AND mine.lease_until <= $3
    FOR UPDATE OF mine SKIP LOCKED
)
UPDATE reminder_log
SET lease_until = $4, attempts = reminder_log.attempts + 1
FROM free
WHERE reminder_log.organization_id = $1 AND reminder_log.id = ANY($2) AND reminder_log.id = free.id
RETURNING reminder_log.id, reminder_log.appointment_id, reminder_log.time_version,
    reminder_log.kind, {{message_recipient}}, reminder_log.channel, reminder_log.is_resend,
    reminder_log.attempts, reminder_log.detail, reminder_log.wire_text, reminder_log.wire_since,
    reminder_log.session_id;

-- name: give_back :exec
-- A claimed message that no attempt began with: it waits as before, and the claim was no attempt.
-- params: organization_id uuid, id uuid, attempts integer, real_now timestamptz
UPDATE reminder_log
SET attempts = attempts - 1, lease_until = $4
WHERE organization_id = $1 AND id = $2 AND attempts = $3 AND lease_until IS NOT NULL;

-- name: begin_attempts :many
-- These messages are about to be handed to the mail server or the gateway: from now on they may
-- have arrived, until their outcome is known. Returns those that may be handed over. The others are
-- no longer ours, or the appointment or the session that they are about has changed since the
-- decision, or the address has opted out, by its digest or an earlier one (see opted_out), where one
-- is given: changes that were committed before this statement began are seen. The lease lasts as long
-- as the attempt may take. One that does so already stays: then no index has to be written.
-- params: organization_id uuid, ids uuid[], attempts integer[], appointment_versions integer[], begun_at timestamptz, lease_until timestamptz, wire_texts text[], session_ids uuid[], session_versions integer[], address_digests bytea[], earlier_digests bytea[]
WITH ours AS MATERIALIZED (
    SELECT mine.id, begun.wire_text
    FROM reminder_log AS mine
    JOIN unnest($2::uuid[], $3::integer[], $4::integer[], $7::text[], $8::uuid[], $9::integer[], $10::bytea[], $11::bytea[])
        AS begun (id, attempts, appointment_version, wire_text, session_id, session_version, address_digest, earlier_digest)
        ON begun.id = mine.id
    WHERE mine.organization_id = $1 AND mine.id = ANY($2) AND mine.attempts = begun.attempts AND mine.lease_until IS NOT NULL
        AND (
            begun.appointment_version IS NULL
            OR EXISTS (
                SELECT FROM appointment
                WHERE appointment.organization_id = $1
                    AND appointment.id = mine.appointment_id
                    AND appointment.version = begun.appointment_version
            )
        )
        AND (
            begun.session_id IS NULL
            OR EXISTS (
                SELECT FROM session
                WHERE session.organization_id = $1
                    AND session.id = begun.session_id
                    AND session.version = begun.session_version
            )
        )
        AND (
            begun.address_digest IS NULL
            OR NOT EXISTS (
                SELECT FROM message_opt_out
                WHERE message_opt_out.organization_id = $1
                    AND message_opt_out.channel = mine.channel
                    AND message_opt_out.address_digest IN (begun.address_digest, begun.earlier_digest)
                    AND (message_opt_out.address_digest = begun.address_digest OR NOT message_opt_out.domain_in_ascii)
            )
        )
    -- Of several rows at once: to wait for one that an erasure has locked could be a deadlock.
    FOR UPDATE OF mine SKIP LOCKED
)
UPDATE reminder_log
SET wire_since = $5, lease_until = greatest(reminder_log.lease_until, $6), wire_text = ours.wire_text
FROM ours
WHERE reminder_log.organization_id = $1 AND reminder_log.id = ANY($2) AND reminder_log.id = ours.id
RETURNING reminder_log.id;

-- fragment: ending_messages
-- These claimed messages with how they ended; see close_messages.
SELECT mine.id, ended.status, ended.sent_at, ended.detail, ended.provider_message_id
FROM reminder_log AS mine
JOIN unnest($2::uuid[], $3::integer[], $4::text[], $5::timestamptz[], $6::text[], $7::text[])
    AS ended (id, attempts, status, sent_at, detail, provider_message_id)
    ON ended.id = mine.id
WHERE mine.organization_id = $1 AND mine.id = ANY($2) AND mine.attempts = ended.attempts AND mine.lease_until IS NOT NULL
FOR UPDATE OF mine SKIP LOCKED;

-- fragment: messages_ended
-- They end, as `ours` says.
UPDATE reminder_log
SET status = ours.status, sent_at = ours.sent_at, detail = ours.detail, provider_message_id = ours.provider_message_id,
    lease_until = NULL, wire_text = NULL, wire_since = NULL
FROM ours
WHERE reminder_log.organization_id = $1 AND reminder_log.id = ANY($2) AND reminder_log.id = ours.id
RETURNING reminder_log.id;

-- name: end_messages :many
-- The same as close_messages without the events, which record_events writes in the same transaction:
-- only where the database is distributed.
-- params: organization_id uuid, ids uuid[], attempts integer[], statuses text[], sent_at timestamptz[], details text[], provider_message_ids text[]
WITH ours AS MATERIALIZED (
    {{ending_messages}}
)
{{messages_ended}};

-- name: close_messages :many
-- The end of these claimed messages, with its event where it makes one. Returns those that have
-- ended by this: not those whose claim is no longer ours, nor those that somebody else is changing,
-- which `close_message` waits for one by one. It is a transaction of its own, and one round trip.
-- params: organization_id uuid, ids uuid[], attempts integer[], statuses text[], sent_at timestamptz[], details text[], provider_message_ids text[], event_ids uuid[], event_types text[], event_subject_ids uuid[], occurred_at timestamptz, actor text, actor_subject text
WITH ours AS MATERIALIZED (
    {{ending_messages}}
),
closed AS (
    {{messages_ended}}
),
begun AS (
    {{epoch_begun}}
),
recorded AS (
    INSERT INTO event (organization_id, epoch, transaction_id, id, type, subject_id, occurred_at, actor, actor_subject)
    SELECT $1, place.epoch, place.transaction_id, happened.id, happened.type, happened.subject_id, $11, $12, $13
    FROM (
        {{place_of_events}}
    ) AS place
    CROSS JOIN closed
    JOIN unnest($8::uuid[], $9::text[], $10::uuid[]) AS happened (id, type, subject_id) ON happened.subject_id = closed.id
)
SELECT id
FROM closed;

-- name: close_message :exec
-- The end of a claimed message. No row where the claim is no longer ours.
-- params: organization_id uuid, id uuid, attempts integer, status text, sent_at timestamptz, detail text, provider_message_id text
UPDATE reminder_log
SET status = $4, sent_at = $5, detail = $6, provider_message_id = $7, lease_until = NULL,
    wire_text = NULL, wire_since = NULL
WHERE organization_id = $1 AND id = $2 AND attempts = $3 AND lease_until IS NOT NULL;

-- name: postpone_message :exec
-- Put a claimed message off until then. Unless it may have arrived, the record of its attempt is
-- removed.
-- params: organization_id uuid, id uuid, attempts integer, lease_until timestamptz, detail text, may_have_arrived boolean
UPDATE reminder_log
SET lease_until = $4, detail = $5, wire_text = CASE WHEN $6 THEN wire_text END,
    wire_since = CASE WHEN $6 THEN wire_since END
WHERE organization_id = $1 AND id = $2 AND attempts = $3 AND lease_until IS NOT NULL;

-- name: known_message_ids :many
-- The gateway's names of the text messages of an appointment that are accounted for.
-- params: organization_id uuid, appointment_id uuid
SELECT provider_message_id
FROM reminder_log
WHERE organization_id = $1 AND appointment_id = $2 AND channel = 'SMS' AND provider_message_id IS NOT NULL;

-- name: record_delivery :exec
-- Records the gateway's report on a message. A message that it failed to deliver stays so: reports
-- come in any order. One that failed because its fate was unknown, or that waits because its answer
-- was lost, is known now.
-- params: organization_id uuid, id uuid, status text, sent_at timestamptz, detail text, provider_message_id text
UPDATE reminder_log
SET status = $3, sent_at = CASE WHEN $3 = 'SENT' THEN coalesce(sent_at, $4) END, detail = $5, provider_message_id = $6,
    lease_until = NULL, wire_text = NULL, wire_since = NULL
WHERE organization_id = $1 AND id = $2 AND channel = 'SMS'
    AND (
        (status = 'PENDING' AND wire_text IS NOT NULL)
        OR (status = 'SENT' AND provider_message_id = $6)
        OR (status = 'FAILED' AND provider_message_id IS NULL AND $3 = 'SENT')
    );

-- name: message_by_id :maybe
-- One row of the log.
-- params: organization_id uuid, id uuid
SELECT id, appointment_id, time_version, kind, {{message_recipient}}, channel, status, due_at,
    sent_at, detail, is_resend, session_id
FROM reminder_log
WHERE organization_id = $1 AND id = $2;

-- name: group_visits :many
-- These sessions with what is booked in them: the seats of those who have not cancelled, and the
-- number of their bookings.
-- params: organization_id uuid, ids uuid[]
SELECT session.id, coalesce(session.provider_ids, ARRAY[session.provider_id]) AS provider_ids,
    session.starts_at, session.ends_at, session.version, session.time_version, session.is_cancelled,
    coalesce(booked.seats, 0) AS seats, coalesce(booked.bookings, 0) AS bookings
FROM session
LEFT JOIN (
    SELECT appointment.session_id, sum(appointment.seats) AS seats, count(*) AS bookings
    FROM appointment
    WHERE appointment.organization_id = $1
        AND appointment.session_id = ANY($2)
        AND appointment.status <> 'CANCELLED'
    GROUP BY appointment.session_id
) AS booked ON booked.session_id = session.id
WHERE session.organization_id = $1 AND session.id = ANY($2);

-- name: stop_messages_of_customer :many
-- Text messages on their way to an erased customer have failed, and their words go. Every other
-- pending message loses its claim, so that no worker begins an attempt with what it read of the
-- customer before; the next claim decides again. An e-mail that is being handed over is left to its
-- worker: its outcome is still to be recorded. A message about a session says nothing of the
-- customer.
-- params: organization_id uuid, customer_id uuid
UPDATE reminder_log
-- Evaluated once the row is locked: an attempt that began in a transaction still open when this
-- statement started is seen here. WHERE alone would miss its words.
SET attempts = attempts + 1, wire_text = NULL,
    wire_since = CASE WHEN wire_text IS NULL THEN wire_since END,
    status = CASE WHEN wire_text IS NULL THEN status ELSE 'FAILED' END,
    lease_until = CASE WHEN wire_text IS NULL THEN lease_until END,
    detail = CASE WHEN wire_text IS NULL THEN detail ELSE 'the customer was erased while the message was on its way' END
WHERE organization_id = $1
    AND status = 'PENDING'
    AND session_id IS NULL
    AND (wire_text IS NOT NULL OR wire_since IS NULL)
    AND appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $2)
RETURNING id, status;

-- name: forget_destinations_of_customer :exec
-- Remove the hashes of the addresses that an erased customer's messages went to.
-- params: organization_id uuid, customer_id uuid
UPDATE reminder_log
SET destination = NULL
WHERE organization_id = $1
    AND destination IS NOT NULL
    AND appointment_id IN (SELECT id FROM appointment WHERE organization_id = $1 AND customer_id = $2);
