-- Webhooks, and the log of what was delivered to them. Only new tables: nothing waits.

CREATE TABLE webhook (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    url text NOT NULL,
    -- The types of events that it gets; null: all, also those to come.
    types text[],
    is_active boolean NOT NULL DEFAULT true,
    -- Why the program switched it off; null where it did not.
    disabled_reason text,
    -- Encrypted by the program, which signs with them: the database alone does not tell them.
    secret text NOT NULL,
    previous_secret text,
    previous_secret_until timestamptz,
    -- Its place in the organization's log of events: all up to here became deliveries.
    epoch integer NOT NULL,
    transaction_id bigint NOT NULL,
    event_id uuid NOT NULL,
    -- One worker at a time delivers to it. The number rises with every lease and every change of what the holder of the
    -- lease has read: what holders of earlier ones write is dropped.
    lease bigint NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    -- How the receiver did lately, by the real clock.
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    failure_counted_at timestamptz,
    rests_until timestamptz,
    -- When the administrators are next to be told that it was switched off; null where they need not be.
    notice_due_at timestamptz,
    notice_attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    -- It is gone for everybody; the purge deletes its deliveries, then the row.
    deleted_at timestamptz,
    CONSTRAINT webhook_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT webhook_organization_fkey FOREIGN KEY (organization_id) REFERENCES organization (id),
    CONSTRAINT webhook_url_form CHECK (char_length(url) <= 2000 AND url ~ '^[Hh][Tt][Tt][Pp][Ss]?://'),
    CONSTRAINT webhook_types_some CHECK (cardinality(types) >= 1),
    CONSTRAINT webhook_disabled_known CHECK (disabled_reason IN ('GONE', 'FAILING')),
    CONSTRAINT webhook_disabled_is_off CHECK (disabled_reason IS NULL OR NOT is_active),
    CONSTRAINT webhook_previous_secret_ends CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
);

CREATE INDEX webhook_notice_due ON webhook (notice_due_at) WHERE notice_due_at IS NOT NULL;
CREATE INDEX webhook_deleted ON webhook (deleted_at) WHERE deleted_at IS NOT NULL;

-- No foreign key to the event: it is purged by its age, and its deliveries with it.
CREATE TABLE webhook_delivery (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    event_id uuid NOT NULL,
    -- Copies from the event: its place, its subject, its time.
    epoch integer NOT NULL,
    transaction_id bigint NOT NULL,
    subject_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    status text NOT NULL DEFAULT 'PENDING',
    -- Sent by somebody: tried once, in no order, and also while the webhook is off.
    by_hand boolean NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    first_attempt_at timestamptz,
    last_attempt_at timestamptz,
    next_attempt_at timestamptz,
    response_status integer,
    problem text,
    CONSTRAINT webhook_delivery_pkey PRIMARY KEY (organization_id, id),
    CONSTRAINT webhook_delivery_webhook_fkey FOREIGN KEY (organization_id, webhook_id)
        REFERENCES webhook (organization_id, id),
    CONSTRAINT webhook_delivery_status_known CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED')),
    CONSTRAINT webhook_delivery_pending_is_due CHECK ((status = 'PENDING') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT webhook_delivery_problem_length CHECK (char_length(problem) <= 500)
);

-- What is due, and what holds back a later event of the same subject.
CREATE INDEX webhook_delivery_due
    ON webhook_delivery (organization_id, webhook_id, next_attempt_at) WHERE status = 'PENDING';
CREATE INDEX webhook_delivery_of_subject
    ON webhook_delivery (organization_id, webhook_id, subject_id, epoch, transaction_id, event_id)
    WHERE status = 'PENDING';

-- The log: all of it, or by status.
CREATE INDEX webhook_delivery_log ON webhook_delivery (organization_id, webhook_id, id);
CREATE INDEX webhook_delivery_log_by_status ON webhook_delivery (organization_id, webhook_id, status, id);

-- By the age of its event, for the purge.
CREATE INDEX webhook_delivery_by_age ON webhook_delivery (occurred_at);
