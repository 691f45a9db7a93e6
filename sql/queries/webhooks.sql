-- name: insert_webhook :one
-- A new webhook, which gets what happens from now on.
-- params: organization_id uuid, id uuid, url text, types text[], secret text, epoch integer, transaction_id bigint, event_id uuid, created_at timestamptz
INSERT INTO webhook (organization_id, id, url, types, secret, epoch, transaction_id, event_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING id;

-- name: count_webhooks :one
-- How many webhooks the organization has.
-- params: organization_id uuid
SELECT count(*) AS total
FROM webhook
WHERE organization_id = $1 AND deleted_at IS NULL;

-- name: webhooks_of_organization :many
-- The organization's webhooks, oldest first. An organization has few.
-- params: organization_id uuid
SELECT {{webhook_columns}}
FROM webhook
WHERE organization_id = $1 AND deleted_at IS NULL
ORDER BY created_at, id;

-- fragment: webhook_columns
-- The columns of a webhook, as `webhook_from` reads them.
id, url, types, is_active, disabled_reason, created_at;

-- name: webhooks_by_ids :many
-- These of the organization's webhooks, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{webhook_columns}}
FROM webhook
WHERE organization_id = $1 AND id = ANY($2) AND deleted_at IS NULL;

-- name: webhook_for_update :maybe
-- A webhook as it is now, locked until the transaction ends.
-- params: organization_id uuid, id uuid
SELECT {{webhook_columns}}
FROM webhook
WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL
FOR UPDATE;

-- name: update_webhook :exec
-- New settings, and a receiver that is not known to fail. A worker that delivers to it stops, and
-- what is under way is tried again: it may have gone to the address before.
-- params: organization_id uuid, id uuid, url text, types text[], is_active boolean, disabled_reason text
UPDATE webhook
SET url = $3, types = $4, is_active = $5, disabled_reason = $6, lease = lease + 1,
    lease_until = '-infinity', failures = 0, failing_since = NULL, failure_counted_at = NULL,
    rests_until = NULL, notice_due_at = NULL, notice_attempts = 0
WHERE organization_id = $1 AND id = $2;

-- name: catch_up_webhook :exec
-- A webhook that is switched on goes on where it stopped, or after what happened before an instant,
-- whichever is later.
-- params: organization_id uuid, id uuid, happened_before timestamptz
UPDATE webhook
SET epoch = passed.epoch, transaction_id = passed.transaction_id, event_id = passed.id
FROM (
    SELECT event.epoch, event.transaction_id, event.id
    FROM event
    WHERE event.organization_id = $1 AND event.occurred_at < $3
    ORDER BY event.epoch DESC, event.transaction_id DESC, event.id DESC
    LIMIT 1
) AS passed
WHERE webhook.organization_id = $1
    AND webhook.id = $2
    AND (webhook.epoch, webhook.transaction_id, webhook.event_id) < (passed.epoch, passed.transaction_id, passed.id);

-- name: expire_deliveries :exec
-- Deliveries that waited while their webhook was off, of what happened before an instant, have
-- failed.
-- params: organization_id uuid, webhook_id uuid, happened_before timestamptz, problem text
UPDATE webhook_delivery
SET status = 'FAILED', next_attempt_at = NULL, problem = $4
WHERE organization_id = $1 AND webhook_id = $2 AND status = 'PENDING' AND occurred_at < $3;

-- fragment: waits_for_nothing
-- A delivery waits, but no earlier one of its subject is pending any more: that one did not end by
-- a try.
webhook_delivery.status = 'PENDING'
    AND webhook_delivery.next_attempt_at = 'infinity'
    AND NOT EXISTS (
        SELECT
        FROM webhook_delivery AS earlier
        WHERE earlier.organization_id = webhook_delivery.organization_id
            AND earlier.webhook_id = webhook_delivery.webhook_id
            AND earlier.subject_id = webhook_delivery.subject_id
            AND earlier.status = 'PENDING'
            AND NOT earlier.by_hand
            AND (earlier.epoch, earlier.transaction_id, earlier.event_id)
            < (webhook_delivery.epoch, webhook_delivery.transaction_id, webhook_delivery.event_id)
    );

-- name: release_deliveries :exec
-- After some of a webhook's deliveries were expired, those that waited for them are due.
-- params: organization_id uuid, webhook_id uuid, real_now timestamptz
UPDATE webhook_delivery
SET next_attempt_at = $3
WHERE organization_id = $1 AND webhook_id = $2 AND {{waits_for_nothing}};

-- name: release_all_deliveries :exec
-- After some deliveries were purged, those that waited for them are due.
-- params: real_now timestamptz
-- scope: all organizations
UPDATE webhook_delivery
SET next_attempt_at = $1
WHERE {{waits_for_nothing}};

-- name: rotate_secret :exec
-- A new secret; the one before signs as well until then. An even older one signs no more.
-- params: organization_id uuid, id uuid, secret text, previous_secret_until timestamptz
UPDATE webhook
SET secret = $3, previous_secret = secret, previous_secret_until = $4
WHERE organization_id = $1 AND id = $2;

-- name: reseal_secrets :exec
-- The same secrets, encrypted with another key; nothing where they were rotated meanwhile.
-- params: organization_id uuid, id uuid, old_secret text, secret text, previous_secret text
UPDATE webhook
SET secret = $4, previous_secret = CASE WHEN previous_secret IS NULL THEN NULL ELSE $5 END
WHERE organization_id = $1 AND id = $2 AND secret = $3;

-- name: delete_webhook :exec
-- Delete a webhook; a worker that delivers to it loses its lease.
-- params: organization_id uuid, id uuid, deleted_at timestamptz
UPDATE webhook
SET deleted_at = $3, is_active = false, disabled_reason = NULL, notice_due_at = NULL,
    lease = lease + 1, lease_until = '-infinity'
WHERE organization_id = $1 AND id = $2;

-- fragment: delivery_columns
-- A delivery and its event, as `delivery_from` reads them.
webhook_delivery.id AS delivery_id, webhook_delivery.webhook_id, webhook_delivery.status,
webhook_delivery.attempts,
    webhook_delivery.last_attempt_at,
    nullif(webhook_delivery.next_attempt_at, 'infinity') AS next_attempt_at,
    webhook_delivery.response_status, webhook_delivery.problem, webhook_delivery.by_hand, event.id,
    event.epoch, event.transaction_id, event.type, event.subject_id, event.version,
    event.provider_id, event.customer_id, event.occurred_at, event.actor, event.actor_subject;

-- name: delivery_page :many
-- A page of a webhook's log, latest first; only these statuses where any are named.
-- params: organization_id uuid, webhook_id uuid, before_id uuid, statuses text[], page_size integer
SELECT {{delivery_columns}}
FROM webhook_delivery
JOIN event ON event.organization_id = $1 AND event.id = webhook_delivery.event_id
WHERE webhook_delivery.organization_id = $1
    AND webhook_delivery.webhook_id = $2
    AND ($3::uuid IS NULL OR webhook_delivery.id < $3)
    AND ($4::text[] IS NULL OR webhook_delivery.status = ANY($4))
ORDER BY webhook_delivery.id DESC
LIMIT $5::integer;

-- name: count_deliveries :one
-- How many deliveries a webhook's log has; only these statuses where any are named.
-- params: organization_id uuid, webhook_id uuid, statuses text[]
SELECT count(*) AS total
FROM webhook_delivery
WHERE organization_id = $1 AND webhook_id = $2 AND ($3::text[] IS NULL OR status = ANY($3));

-- name: deliveries_by_ids :many
-- These of the organization's deliveries, of webhooks that are not deleted, in no particular order.
-- params: organization_id uuid, ids uuid[]
SELECT {{delivery_columns}}
FROM webhook_delivery
JOIN event ON event.organization_id = $1 AND event.id = webhook_delivery.event_id
JOIN webhook
    ON webhook.organization_id = $1 AND webhook.id = webhook_delivery.webhook_id AND webhook.deleted_at IS NULL
WHERE webhook_delivery.organization_id = $1 AND webhook_delivery.id = ANY($2);

-- name: redeliver :exec
-- Send it again now. One that has ended is tried once; one that failed and is to be tried again is
-- tried earlier, and goes on as before; one that was not tried yet keeps its place. No row for an
-- unknown one, and for one of a deleted webhook.
-- params: organization_id uuid, id uuid, real_now timestamptz
UPDATE webhook_delivery
SET by_hand = by_hand OR status <> 'PENDING', status = 'PENDING',
    next_attempt_at = CASE WHEN status = 'PENDING' AND attempts = 0 THEN next_attempt_at ELSE $3 END
WHERE organization_id = $1
    AND id = $2
    AND webhook_id IN (SELECT webhook.id FROM webhook WHERE webhook.organization_id = $1 AND webhook.deleted_at IS NULL);

-- name: insert_deliveries :exec
-- These events, later than all before, are to be delivered to a webhook, each under a delivery of
-- its own. One waits while the one before it of its subject is undelivered: until some time after
-- the first try of that one, or without an end where that one was not tried yet. What is sent by
-- hand neither waits nor holds back.
-- params: organization_id uuid, webhook_id uuid, ids uuid[], event_ids uuid[], due_at timestamptz, by_hand boolean, holds_back interval
INSERT INTO webhook_delivery (organization_id, id, webhook_id, event_id, epoch, transaction_id, subject_id, occurred_at,
    next_attempt_at, by_hand)
SELECT event.organization_id, new.id, $2, event.id, event.epoch, event.transaction_id, event.subject_id,
    event.occurred_at,
    CASE
        WHEN $6 THEN $5
        WHEN
            lag(event.id) OVER (
                PARTITION BY event.subject_id ORDER BY event.epoch, event.transaction_id, event.id
            ) IS NOT NULL THEN 'infinity'
        ELSE coalesce(
            (
                SELECT greatest($5, coalesce(earlier.first_attempt_at + $7, 'infinity'))
                FROM webhook_delivery AS earlier
                WHERE earlier.organization_id = $1
                    AND earlier.webhook_id = $2
                    AND earlier.subject_id = event.subject_id
                    AND earlier.status = 'PENDING'
                    AND NOT earlier.by_hand
                ORDER BY earlier.epoch DESC, earlier.transaction_id DESC, earlier.event_id DESC
                LIMIT 1
            ),
            $5
        )
    END,
    $6
FROM event
CROSS JOIN unnest($3::uuid[], $4::uuid[]) AS new (id, event_id)
WHERE event.organization_id = $1 AND event.id = ANY($4) AND event.id = new.event_id;

-- name: webhooks_to_do :many
-- The webhooks that something can be done for and that nobody has a lease on: those that work
-- first, and of those the one that was served longest ago. A receiver that rests gets only what is
-- sent by hand. Nothing is locked.
-- params: real_now timestamptz, batch_size integer
-- scope: all organizations
SELECT webhook.organization_id, webhook.id, webhook.failures > 0 AS is_failing
FROM webhook
WHERE webhook.deleted_at IS NULL
    AND webhook.lease_until <= $1
    AND (
        (
            webhook.is_active
            AND (webhook.rests_until IS NULL OR webhook.rests_until <= $1)
            AND (
                EXISTS (
                    SELECT
                    FROM event
                    WHERE event.organization_id = webhook.organization_id
                        AND (event.epoch, event.transaction_id, event.id)
                        > (webhook.epoch, webhook.transaction_id, webhook.event_id)
                )
                OR EXISTS (
                    SELECT
                    FROM webhook_delivery AS due
                    WHERE due.organization_id = webhook.organization_id
                        AND due.webhook_id = webhook.id
                        AND due.status = 'PENDING'
                        AND due.next_attempt_at <= $1
                )
            )
        )
        OR EXISTS (
            SELECT
            FROM webhook_delivery AS due
            WHERE due.organization_id = webhook.organization_id
                AND due.webhook_id = webhook.id
                AND due.status = 'PENDING'
                AND due.next_attempt_at <= $1
                AND due.by_hand
        )
    )
ORDER BY webhook.failures > 0, webhook.lease_until
LIMIT $2::integer;

-- fragment: leased_webhook
-- What the holder of a lease works with, as `leased_from` reads it.
webhook.id, webhook.lease, webhook.url, webhook.types, webhook.is_active, webhook.disabled_reason,
webhook.created_at,
    webhook.secret, webhook.previous_secret, webhook.previous_secret_until, webhook.epoch,
    webhook.transaction_id, webhook.event_id, webhook.failures, webhook.failing_since,
    webhook.failure_counted_at, webhook.rests_until;

-- name: lease_webhook :maybe
-- Become the one who delivers to a webhook; no row where somebody else is.
-- params: organization_id uuid, id uuid, real_now timestamptz, lease_until timestamptz
UPDATE webhook
SET lease = lease + 1, lease_until = $4
WHERE organization_id = $1 AND id = $2 AND lease_until <= $3 AND deleted_at IS NULL
RETURNING {{leased_webhook}};

-- name: renew_lease :maybe
-- Go on delivering to a webhook, with its settings as they are now; no row where the lease is
-- somebody else's by now.
-- params: organization_id uuid, id uuid, lease bigint, lease_until timestamptz
UPDATE webhook
SET lease_until = $4
WHERE organization_id = $1 AND id = $2 AND lease = $3
RETURNING {{leased_webhook}};

-- name: release_lease :exec
-- Nothing is left to do for a webhook for now. The end of the lease is when it was last served.
-- params: organization_id uuid, id uuid, lease bigint, real_now timestamptz
UPDATE webhook
SET lease_until = $4
WHERE organization_id = $1 AND id = $2 AND lease = $3;

-- name: move_webhook :exec
-- All events up to this place became deliveries. No row where the lease is somebody else's by now.
-- params: organization_id uuid, id uuid, lease bigint, epoch integer, transaction_id bigint, event_id uuid
UPDATE webhook
SET epoch = $4, transaction_id = $5, event_id = $6
WHERE organization_id = $1 AND id = $2 AND lease = $3;

-- name: ready_deliveries :many
-- What a webhook gets now, longest due first, except for what is under way. Read from the index in
-- this order, so that a backlog costs nothing.
-- params: organization_id uuid, webhook_id uuid, real_now timestamptz, under_way uuid[], batch_size integer
SELECT {{delivery_columns}}
FROM (
    SELECT id, webhook_id, event_id, status, attempts, last_attempt_at, next_attempt_at,
        response_status, problem, by_hand
    FROM webhook_delivery
    WHERE organization_id = $1
        AND webhook_id = $2
        AND status = 'PENDING'
        AND next_attempt_at <= $3
        AND id <> ALL ($4)
    ORDER BY next_attempt_at, epoch, transaction_id, event_id
    LIMIT $5::integer
) AS webhook_delivery
JOIN event ON event.organization_id = $1 AND event.id = webhook_delivery.event_id
ORDER BY webhook_delivery.next_attempt_at, event.epoch, event.transaction_id, event.id;

-- name: ready_by_hand :many
-- The same of what is sent by hand: a webhook that is off, or whose receiver rests, gets nothing
-- else.
-- params: organization_id uuid, webhook_id uuid, real_now timestamptz, under_way uuid[], batch_size integer
SELECT {{delivery_columns}}
FROM (
    SELECT id, webhook_id, event_id, status, attempts, last_attempt_at, next_attempt_at,
        response_status, problem, by_hand
    FROM webhook_delivery
    WHERE organization_id = $1
        AND webhook_id = $2
        AND status = 'PENDING'
        AND by_hand
        AND next_attempt_at <= $3
        AND id <> ALL ($4)
    ORDER BY next_attempt_at, id
    LIMIT $5::integer
) AS webhook_delivery
JOIN event ON event.organization_id = $1 AND event.id = webhook_delivery.event_id
ORDER BY webhook_delivery.next_attempt_at, webhook_delivery.id;

-- name: record_attempts :exec
-- How tries ended. No row where the lease is somebody else's by now: they are tried again.
-- params: organization_id uuid, webhook_id uuid, lease bigint, ids uuid[], statuses text[], begun_at timestamptz[], ended_at timestamptz[], next_attempts_at timestamptz[], response_statuses integer[], problems text[]
UPDATE webhook_delivery
SET status = tried.status, attempts = webhook_delivery.attempts + 1,
    first_attempt_at = coalesce(webhook_delivery.first_attempt_at, tried.begun_at),
    last_attempt_at = tried.ended_at, next_attempt_at = tried.next_attempt_at,
    response_status = tried.response_status, problem = tried.problem,
    by_hand = webhook_delivery.by_hand AND tried.status <> 'DELIVERED'
FROM (
    -- Locked: the next holder of the lease sees what is recorded here before it adds deliveries.
    SELECT webhook.id FROM webhook
    WHERE webhook.organization_id = $1 AND webhook.id = $2 AND webhook.lease = $3
    FOR NO KEY UPDATE
) AS held
CROSS JOIN unnest($4::uuid[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::integer[],
    $10::text[]) AS tried (id, status, begun_at, ended_at, next_attempt_at, response_status, problem)
WHERE webhook_delivery.organization_id = $1
    AND webhook_delivery.id = ANY($4)
    AND webhook_delivery.id = tried.id
    -- It is pending. To ask for its status would allow the index of a whole backlog.
    AND webhook_delivery.next_attempt_at IS NOT NULL;

-- name: release_next :exec
-- After these tries of a webhook, the next delivery of each subject is due: now, where the one
-- before it has ended; else some time after the first try of that one. One that was tried itself is
-- not changed.
-- params: organization_id uuid, webhook_id uuid, ids uuid[], real_now timestamptz, holds_back interval
UPDATE webhook_delivery
SET next_attempt_at = released.due_at
FROM (
    SELECT later.id,
        CASE WHEN tried.status = 'PENDING' THEN tried.first_attempt_at + $5 ELSE $4 END AS due_at
    FROM webhook_delivery AS tried
    CROSS JOIN LATERAL (
        SELECT each.id, each.attempts
        FROM webhook_delivery AS each
        WHERE each.organization_id = $1
            AND each.webhook_id = $2
            AND each.subject_id = tried.subject_id
            AND each.status = 'PENDING'
            AND NOT each.by_hand
            AND (each.epoch, each.transaction_id, each.event_id)
            > (tried.epoch, tried.transaction_id, tried.event_id)
        ORDER BY each.epoch, each.transaction_id, each.event_id
        LIMIT 1
    ) AS later
    WHERE tried.organization_id = $1 AND tried.id = ANY($3) AND later.attempts = 0
) AS released
WHERE webhook_delivery.organization_id = $1
    AND webhook_delivery.id = released.id
    AND webhook_delivery.next_attempt_at > released.due_at;

-- name: record_health :exec
-- How the receiver does. No row where the lease is somebody else's by now.
-- params: organization_id uuid, id uuid, lease bigint, failures integer, failing_since timestamptz, failure_counted_at timestamptz, rests_until timestamptz
UPDATE webhook
SET failures = $4, failing_since = $5, failure_counted_at = $6, rests_until = $7
WHERE organization_id = $1 AND id = $2 AND lease = $3;

-- name: switch_off_webhook :exec
-- The program switches a webhook off, and a notice to the administrators is due. No row where the
-- lease is somebody else's by now, or it is off already.
-- params: organization_id uuid, id uuid, lease bigint, disabled_reason text, notice_due_at timestamptz
UPDATE webhook
SET is_active = false, disabled_reason = $4, notice_due_at = $5, notice_attempts = 0
WHERE organization_id = $1 AND id = $2 AND lease = $3 AND is_active;

-- name: notices_due :many
-- Webhooks that were switched off and whose administrators are to be notified now. Nothing is
-- locked.
-- params: real_now timestamptz, batch_size integer
-- scope: all organizations
SELECT organization_id, id
FROM webhook
WHERE notice_due_at <= $1
ORDER BY notice_due_at
LIMIT $2::integer;

-- name: claim_notice :maybe
-- Notify the administrators now; if that fails, again at this time. No row where somebody else
-- does.
-- params: organization_id uuid, id uuid, real_now timestamptz, next_try_at timestamptz
UPDATE webhook
SET notice_due_at = $4, notice_attempts = notice_attempts + 1
WHERE organization_id = $1 AND id = $2 AND notice_due_at <= $3
RETURNING url, disabled_reason, failure_counted_at, notice_attempts;

-- name: close_notice :exec
-- The administrators were notified, or can't be.
-- params: organization_id uuid, id uuid, attempts integer
UPDATE webhook
SET notice_due_at = NULL
WHERE organization_id = $1 AND id = $2 AND notice_attempts = $3;

-- name: webhook_lag :one
-- When the oldest event happened that an active webhook whose receiver works has not got a delivery
-- of, and how many active webhooks fail.
-- params: none
-- scope: all organizations
SELECT
    min(CASE WHEN webhook.failures = 0 THEN (
        SELECT event.occurred_at
        FROM event
        WHERE event.organization_id = webhook.organization_id
            AND (event.epoch, event.transaction_id, event.id)
            > (webhook.epoch, webhook.transaction_id, webhook.event_id)
        ORDER BY event.epoch, event.transaction_id, event.id
        LIMIT 1
    ) END) AS since,
    count(*) FILTER (WHERE webhook.failures > 0) AS failing
FROM webhook
WHERE webhook.is_active AND webhook.deleted_at IS NULL;

-- name: purge_deliveries :one
-- Delete a batch of deliveries, those of the oldest events first, and return how many there were.
-- params: happened_before timestamptz, batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM webhook_delivery
    WHERE (organization_id, id) IN (
        SELECT organization_id, id
        FROM webhook_delivery
        WHERE occurred_at < $1
        ORDER BY occurred_at
        LIMIT $2::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;

-- name: purge_deliveries_of_deleted :one
-- Delete a batch of deliveries of webhooks that are deleted, and return how many there were.
-- params: batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM webhook_delivery
    WHERE (organization_id, id) IN (
        SELECT webhook_delivery.organization_id, webhook_delivery.id
        FROM webhook
        JOIN webhook_delivery
            ON webhook_delivery.organization_id = webhook.organization_id AND webhook_delivery.webhook_id = webhook.id
        WHERE webhook.deleted_at IS NOT NULL
        LIMIT $1::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;

-- name: purge_webhooks :one
-- Delete a batch of deleted webhooks that have no deliveries any more, and return how many there
-- were.
-- params: batch_size integer
-- scope: all organizations
WITH gone AS (
    DELETE FROM webhook
    WHERE (organization_id, id) IN (
        SELECT webhook.organization_id, webhook.id
        FROM webhook
        WHERE webhook.deleted_at IS NOT NULL
            AND NOT EXISTS (
                SELECT
                FROM webhook_delivery
                WHERE webhook_delivery.organization_id = webhook.organization_id
                    AND webhook_delivery.webhook_id = webhook.id
            )
        LIMIT $1::integer
    )
    RETURNING 1
)
SELECT count(*) AS purged FROM gone;
